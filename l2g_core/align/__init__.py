"""Stage 2: the embedder learns the task and to speak like the language model's own text (paper section 2.4.2).

``corpora`` reads tagged text, ``text`` turns it into reference embeddings, ``discrepancy`` measures how far DNA is from
them, ``align`` trains, ``picture`` shows it, ``command`` is ``l2g align``.
"""

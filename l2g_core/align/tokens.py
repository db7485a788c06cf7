"""From words to tokens: sub-tokens with the tag of their word, or the words of a vocabulary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from l2g_core.align.corpora import Sentence
from l2g_core.model.backbones import WordEmbeddings

ROW = 32  # words of the vocabulary in one row, so that their positions are as in a sentence
PLACEHOLDER = re.compile(r"\[unused\d+\]|<?madeupword\d+>?|<unused\d+>")  # tokens that were never trained or never seen


@dataclass(frozen=True)
class Tokenized:
    """One sentence as the tokenizer sees it; ``tags`` is None at special tokens, which are never drawn."""

    ids: list[int]
    tags: list[str | None]


def tokenized(words: WordEmbeddings, sentences: Sequence[Sentence]) -> Iterator[Tokenized]:
    """Sub-tokens have the tag of their word; after the first one of a word, ``B-`` becomes ``I-`` (inside)."""
    for start in range(0, len(sentences), 1000):
        some = sentences[start : start + 1000]
        encoded = words.tokenizer(
            [list(s.words) for s in some],
            is_split_into_words=True, truncation=True, padding=False, max_length=words.longest,
        )  # fmt: skip
        for row, sentence in enumerate(some):
            yield Tokenized(encoded["input_ids"][row], _token_tags(encoded.word_ids(row), sentence.tags))


def _token_tags(word_ids: Sequence[int | None], tags: Sequence[str]) -> list[str | None]:
    found: list[str | None] = []
    previous = None
    for word in word_ids:
        tag = None if word is None else tags[word]
        if tag is not None and word == previous and tag.startswith("B-"):
            tag = "I-" + tag[2:]
        found.append(tag)
        previous = word
    return found


def vocabulary(words: WordEmbeddings, n: int, seed: int) -> Iterator[Tokenized]:
    """At most ``n`` words of the vocabulary in random order, in rows like sentences, all with the tag ``word``."""
    tokenizer = words.tokenizer
    special = set(tokenizer.all_special_ids)
    ids = sorted(i for text, i in tokenizer.get_vocab().items() if i not in special and not PLACEHOLDER.match(text))
    n = min(len(ids), n)
    chosen = np.random.default_rng(seed).choice(ids, n, replace=False).tolist()
    for start in range(0, n, ROW):
        row = chosen[start : start + ROW]
        yield Tokenized(row, ["word"] * len(row))

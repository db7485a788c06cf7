"""Results in the layouts of other tools: arrays, genome tracks, motif files, tables, pictures."""

from l2g_interp.exports.arrays import write_chrombpnet_h5, write_modisco_npz
from l2g_interp.exports.genome import chrom_sizes, write_bigwig, write_hits_bed, write_seqlets_bed
from l2g_interp.exports.motif_files import write_logos, write_meme
from l2g_interp.exports.tables import PatternRow, SequenceRow, pair_rows, pattern_rows, sequence_rows, write_tables

__all__ = [
    "PatternRow", "SequenceRow", "chrom_sizes", "pair_rows", "pattern_rows", "sequence_rows", "write_bigwig",
    "write_chrombpnet_h5", "write_hits_bed", "write_logos", "write_meme", "write_modisco_npz", "write_seqlets_bed",
    "write_tables",
]  # fmt: skip

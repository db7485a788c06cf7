"""The report: a run folder in, one self-contained HTML file out. To add a section, see `SECTIONS`."""

from l2g_interp.report.sections import SECTIONS, Section
from l2g_interp.report.write import write_report

__all__ = ["SECTIONS", "Section", "write_report"]

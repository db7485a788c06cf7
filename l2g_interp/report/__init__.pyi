from .sections import SECTIONS as SECTIONS
from .sections import Section as Section
from .write import write_report as write_report

from .attribute import AttributeOptions as AttributeOptions
from .attribute import attribute_file as attribute_file
from .effects import plant_files as plant_files
from .effects import validate_files as validate_files
from .hits import hit_files as hit_files
from .motifs import discover_files as discover_files
from .motifs import match_files as match_files
from .report import report_file as report_file

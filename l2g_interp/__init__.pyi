from .attributions.attribute import attribute as attribute
from .attributions.single_changes import mutate as mutate
from .compare.groups import compare_motifs as compare_motifs
from .drawing.logo import draw_logo as draw_logo
from .drawing.mutation_map import draw_mutations as draw_mutations
from .drawing.track import draw_track as draw_track
from .effects.pairs import plant_pairs as plant_pairs
from .effects.removals import remove_hits as remove_hits
from .effects.validate import validate_motifs as validate_motifs
from .motifs.hits import call_hits as call_hits
from .motifs.modisco.discover import discover_motifs as discover_motifs
from .motifs.naming import best_matches as best_matches
from .motifs.tomtom import match_motifs as match_motifs
from .records.attributions_file import read_attributions as read_attributions
from .records.attributions_file import write_attributions as write_attributions
from .records.mutations import read_mutations as read_mutations
from .report.write import write_report as write_report
from .run_folder import read_run as read_run

__version__: str

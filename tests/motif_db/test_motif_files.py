"""What people have as motif files: whose rows are what, odd numbers, odd bytes, and files written and read again."""

import gzip
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import motif_db
from motif_db import Motif, MotifError, formats, motif_text
from motif_db.formats import parse_motifs
from motif_db.write import WRITERS

ROWS = "9 0 0 0\n9 0 0 0\n0 9 0 0\n0 0 9 0\n"  # a row for each position: AACG
MEME = "MEME version 4\n\nALPHABET= ACGT\n\n"


def parse(text: str | bytes) -> list[Motif]:
    return parse_motifs(text.encode() if isinstance(text, str) else text, "f", "f")


def best(motif: Motif) -> str:
    return "".join("ACGT"[base] for base in motif.ppm.argmax(axis=0))


def refused(text: str | bytes) -> str:
    with pytest.raises(MotifError) as error:
        parse(text)
    message = str(error.value)
    assert message.startswith("f: ")
    assert "\n" not in message
    assert len(message) < 400
    return message


# --- whose rows are what


@pytest.mark.parametrize(
    "rows",
    [
        "T [ 0 0 0 9 ]\nG [ 0 0 9 0 ]\nC [ 0 9 0 0 ]\nA [ 9 0 0 0 ]\n",
        "C 0 9 0 0\nA 9 0 0 0\nT 0 0 0 9\nG 0 0 9 0\n",
        "g: 0\t0\t9\t0\nt: 0\t0\t0\t9\na: 9\t0\t0\t0\nc: 0\t9\t0\t0\n",
        "A|9 0 0 0\nG|0 0 9 0\nT|0 0 0 9\nC|0 9 0 0\n",
        "T G C A\n0 0 0 9\n0 0 9 0\n0 9 0 0\n9 0 0 0\n",
    ],
    ids=["brackets", "bare", "colons", "bars", "letters above"],
)
def test_letters_say_which_row_is_which(rows):
    assert [best(m) for m in parse(f">M x\n{rows}")] == ["ACGT"]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("A 1 2\nC 1 2\nT 1 2\n", "none is for G (there are A C T)"),
        ("A 1 2\nC 1 2\nT 1 2\nU 1 2\n", "none is for G"),
        ("A 1\nC 1\nG 1\nT 1\nA 1\n", "has rows A C G T A, not one for each"),
        ("A 1\nC 1\nG 1\n1\nT 1\n", "without a letter"),
        ("A 1 2\nC 1 2\nG 1\nT 1 2\n", "2 for A, 2 for C, 1 for G, 2 for T"),
        ("A 1,5\nC 1\nG 1\nT 1\n", "'1,5' is not a number; numbers need a decimal point"),
        ("A 1_0\nC 1\nG 1\nT 1\n", "'1_0' is not a number"),
    ],
)
def test_letters_that_do_not_make_a_matrix_are_named(rows, says):
    assert says in refused(f">M x\n{rows}")


@pytest.mark.parametrize(
    "header",
    [">AACG\tx\t8.0", ">anything\tx\t-2e1\t-100\t0\tT:1", ">AACG x 8.0", ">X_HUMAN.H11MO.0.A", ">AHR.H12CORE.0.P.B"],
)
def test_four_rows_of_four_by_position_where_the_header_is_homers_or_hocomocos(header):
    assert [best(m) for m in parse(f"{header}\n{ROWS}")] == ["AACG"]


def test_four_rows_of_four_by_base_where_the_id_is_jaspars():
    (found,) = parse(">MA0001.1 AGL 3\n9 9 0 0\n0 0 9 0\n0 0 0 9\n1 1 1 1\n")
    assert best(found) == "AACG"


def test_four_rows_of_four_as_the_rest_of_the_file_or_not_at_all():
    wider = "9 0 0 0\n" + ROWS
    by_base = "9 0 0 0 9\n0 9 0 0 0\n0 0 9 0 0\n0 0 0 9 0\n"
    assert best(parse(f">X\n{ROWS}>Y\n{wider}")[0]) == "AACG"
    square = "9 0 0 9\n0 9 0 0\n0 0 9 0\n0 0 0 0\n"
    assert best(parse(f">X\n{square}>Y\n{by_base}")[0]) == "ACGA"
    for text in (f">X\n{ROWS}", f">X y 3\n{ROWS}", f">X\n{ROWS}>Y\n{wider}>Z\n{by_base}"):
        assert "motif 'X' has 4 rows of 4 numbers, which may be bases or positions" in refused(text)


def test_homer_keeps_its_name_and_wants_probabilities():
    rows = "0.997\t0.001\t0.001\t0.001\n0.1\t0.2\t0.3\t0.4\n"
    (found,) = parse(f">RT\tGATA3(Zf)/iTreg-Gata3/Homer\t6.1\t-9\t0\n{rows}")
    assert (found.id, found.name) == ("GATA3(Zf)/iTreg-Gata3/Homer", "GATA3(Zf)")
    np.testing.assert_allclose(found.ppm.T, [[0.997, 0.001, 0.001, 0.001], [0.1, 0.2, 0.3, 0.4]])
    assert "position 2 sums to 0.9" in refused(f">RT\tx\t6.1\n{rows.replace('0.2', '0.1')}")


def test_hocomocos_weights_are_turned_into_its_frequencies():
    counts = np.array([[485, 5, 5, 5], [100, 150, 200, 50], [0, 500, 0, 0]], dtype=float)
    pseudo = np.log(500)
    weights = np.log((counts + pseudo / 4) / ((500 + pseudo) / 4))
    text = ">X_HUMAN.H11MO.0.A\n" + "\n".join("\t".join(map(str, row)) for row in weights)
    np.testing.assert_allclose(parse(text)[0].ppm.T, (counts + pseudo / 4) / (500 + pseudo))
    assert "values that are negative and are not log-odds" in refused(">X\n" + "1 1 -1 5\n" * 5)


# --- numbers and bytes


@pytest.mark.parametrize("row", ["0.33 0.33 0.33 0.00", "0.17 0.17 0.33 0.32", "0.26 0.25 0.25 0.25"])
def test_rows_rounded_to_two_decimals(row):
    (found,) = parse(f"{MEME}MOTIF x\nletter-probability matrix: w= 1\n{row}\n")
    np.testing.assert_allclose(found.ppm.sum(axis=0), 1, rtol=1e-12)
    np.testing.assert_allclose(found.ppm[:, 0], np.array(row.split(), float) / np.sum(np.array(row.split(), float)))


@pytest.mark.parametrize("row", ["0,97 0.01 0.01 0.01", "0.97 0,01 0,01 0,01", "0.97,0.01,0.01,0.01", ",9 0 0 0.1"])
def test_decimal_commas_are_named(row):
    text = f"{MEME}MOTIF x\nletter-probability matrix: w= 2\n1 0 0 0\n{row}\n"
    assert "motif 'x': position 2: " in refused(text)
    assert "decimal point" in refused(text)


TRANSFAC = "AC  M1\nXX\nP0  A C G T\n01  0 94 1 2 C\n02  3 75 0 19 C\nXX\n//\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (TRANSFAC.replace("//\n", ""), "does not end with //"),
        (TRANSFAC + "AC  M2\nXX\n//\n", "motif 'M2' has no matrix"),
        (TRANSFAC.replace("02  3 75 0 19 C", "02"), "position 2 has 0 values"),
        (TRANSFAC.replace("02  3", "03  3"), "row 03 of the matrix is not the 2th"),
        (TRANSFAC.replace("94", "9,4"), "'9,4' is not a number; numbers need a decimal point"),
        (TRANSFAC.replace("A C G T", "A C G U"), "does not begin with 'P0 A C G T'"),
    ],
)
def test_transfac_loses_and_repeats_nothing(text, says):
    assert says in refused(text)


def test_transfac_columns_by_their_letters():
    assert best(parse(TRANSFAC.replace("A C G T", "T G C A"))[0]) == "GG"


@pytest.mark.parametrize(
    "text", [f">AACG\tx\t8\n{ROWS}", TRANSFAC, f"{MEME}MOTIF x\nletter-probability matrix:\n1 0 0 0\n"]
)
def test_byte_order_marks_and_line_ends(text, tmp_path):
    (plain,) = parse(text)
    marked = "\ufeff" + text.replace("\n", "\r\n")
    for content in (marked.encode(), ("\ufeff" + marked).encode(), gzip.compress(marked.encode())):
        (tmp_path / "any.name").write_bytes(content)
        (found,) = motif_db.load(tmp_path / "any.name")
        assert (found.id, found.name) == (plain.id, plain.name)
        np.testing.assert_array_equal(found.ppm, plain.ppm)
    assert "it is UTF-16; save it as UTF-8" in refused(text.encode("utf-16"))


@pytest.mark.parametrize(
    "text",
    [
        ">A x\nA [ 1 ]\nC [ 1 ]\nG [ 1 ]\nT [ 1 ]\n>B\n1 2\n3 4\n5 6\n1 1\nMOTIF",
        "MEME version 4\nMOTIF",
        f"{MEME}MOTIF x\nletter-probability matrix: w= {'9' * 5000}\n1 0 0 0\n",
        f">x\n{'1' * 400} 1\n1 1\n1 1\n1 1\n",
        ">x\n1e308 1\n1e308 1\n1e308 1\n1 1\n",
        ">x\nnan 1\n1 1\n1 1\n1 1\n",
        "\0",
        f">{'x' * 10_000}\n1\n",
        f">{'x' * 10_000}\n1\n1\n1\n1\n" * 2,
        f"{MEME}MOTIF {'x' * 10_000}\n",
        f"AC  {'x' * 10_000}\nP0  A C G T\n",
        f"{MEME}MOTIF x\nletter-probability matrix:\n{'1' * 10_000}x 0 0 0\n",
        f"AC  x\nP0  A C G T\n{'1' * 10_000}  1 1 1 1\nXX\n//\n",
        f"AC  x\nP0  {'A' * 10_000}\nXX\n//\n",
    ],
)
def test_hostile_files_get_one_line(text):
    assert refused(text)


@pytest.mark.parametrize(
    "text",
    [
        f"{MEME}MOTIF x{' ' * 900_000}y\nletter-probability matrix: w= 1\n1 0 0 0\n",
        f"{MEME}MOTIF x {'width ' * 150_000}\nletter-probability matrix: w= 1\n1 0 0 0\n",
        f"{MEME}MOTIF x\nletter-probability matrix: {'w ' * 400_000}\n1 0 0 0\n",
    ],
    ids=["blanks", "width", "w"],
)
def test_long_lines_are_read_in_no_time(text):
    began = time.perf_counter()
    assert len(parse(text)) == 1
    assert time.perf_counter() - began < 2


def test_files_beyond_every_measure_are_refused(tmp_path):
    (tmp_path / "bomb").write_bytes(gzip.compress(bytes(formats.LARGEST + 1)))
    with pytest.raises(MotifError, match="more than 32 MB, unpacked"):
        motif_db.load(tmp_path / "bomb")
    assert "a line of 1,000,002 letters" in refused(f">x\n{'1' * 1_000_001}\n")
    assert "more than 10,000 lines" in refused(">x\n" + "1 1 1 1\n" * 10_001)
    assert "more than 1,000,000 lines" in refused("\n" * 2_000_001)


# --- written and read again

WORDS = st.text(st.characters(exclude_categories=["Cs", "Z", "Cc"]), min_size=1, max_size=12).filter(
    lambda word: word.split() == [word] and "\ufeff" not in word and not word.startswith("//")
)
NAMES = st.lists(WORDS, max_size=3).map(" ".join)


@st.composite
def motifs(draw) -> list[Motif]:
    found = []
    for identifier in draw(st.lists(WORDS, min_size=1, max_size=4, unique=True)):
        width = draw(st.integers(1, 30))
        column = st.lists(st.integers(0, 1000), min_size=4, max_size=4).filter(any)
        counts = np.array(draw(st.lists(column, min_size=width, max_size=width)), dtype=float).T
        found.append(Motif(identifier, draw(NAMES), "f", counts / counts.sum(axis=0)))
    return found


@pytest.mark.parametrize("kind", WRITERS)
@settings(max_examples=30)
@given(written=motifs())
def test_written_motifs_are_read_again(kind, written):
    found = parse(motif_text(written, kind))
    assert [m.id for m in found] == [m.id for m in written]
    if kind != "homer":
        assert [m.name for m in found] == [m.name for m in written]
    for one, other in zip(found, written, strict=True):
        np.testing.assert_allclose(one.ppm, other.ppm, atol=2e-6)


@given(counts=st.lists(st.lists(st.integers(0, 99), min_size=4, max_size=4).filter(any), min_size=1, max_size=30))
def test_counts_by_base_and_by_position_are_the_same_motif(counts):
    table = np.array(counts)
    by_position = ">X_HUMAN.H11MO.0.A\n" + "".join(" ".join(map(str, row)) + "\n" for row in table)
    by_base = ">MA0001.1\n" + "".join(" ".join(map(str, row)) + "\n" for row in table.T)
    np.testing.assert_array_equal(parse(by_position)[0].ppm, parse(by_base)[0].ppm)


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize(("identifier", "name"), [("a b", ""), ("", "x"), ("a", "x\ny"), ("a\n", ""), ("//a", "")])
def test_names_that_a_format_cannot_hold_are_refused(kind, identifier, name):
    motif = Motif(identifier, name, "f", np.full((4, 2), 0.25))
    if kind == "homer" and identifier == "a":
        assert parse(motif_text([motif], kind))[0].id == "a"
        return
    with pytest.raises(MotifError, match="cannot hold the id"):
        motif_text([motif], kind)


def test_what_cannot_be_written():
    motif = Motif("a", "b width = 3", "f", np.full((4, 2), 0.25))
    with pytest.raises(MotifError, match="cannot hold the id 'a'"):
        motif_text([motif], "meme")
    with pytest.raises(MotifError, match="two motifs have the same id"):
        motif_text([motif, motif], "jaspar")
    with pytest.raises(MotifError, match="no motif to write"):
        motif_text([], "homer")
    with pytest.raises(MotifError, match="no motif format 'xls'"):
        motif_text([motif], "xls")

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bayesff.datasets import DataSet, check, load
from bayesff.errors import DataError

from .conftest import METADATA, VALUES


def break_metadata(folder, old, new):
    assert old in METADATA
    (folder / "metadata.toml").write_text(METADATA.replace(old, new, 1), encoding="utf-8")


def break_values(folder, old, new):
    assert old in VALUES
    (folder / "values.csv").write_text(VALUES.replace(old, new, 1), encoding="utf-8")


def only_problem(folder):
    problems = check(folder)
    assert len(problems) == 1, [str(problem) for problem in problems]
    with pytest.raises(DataError, match=re.escape(str(problems[0]))):
        load(folder)
    assert "\n" not in str(problems[0])
    return problems[0]


def test_a_data_set_in_order(folder):
    assert check(folder) == []
    data = load(folder)
    assert (data.name, data.observable, data.environment.ranges) == ("mine", "second_virial", {"temperature": (50.0, 1000.0)})
    assert data.state["temperature"].tolist() == [100.0, 200.0, 300.0]
    assert data.values.tolist() == [-182.4, -47.9, -15.2]
    assert data.standard_deviation.tolist() == [0.8, 0.1, 0.1]
    assert data.groups["laboratory"].tolist() == ["Leiden", "Bochum, new", "Leiden"]
    assert list(data.groups) == ["laboratory"]
    assert data.uncertainty_meaning == "One standard deviation."
    assert load(str(folder)).values.tolist() == data.values.tolist()


def test_units_are_converted(folder):
    text = METADATA.replace('unit = "K"', 'unit = "degC"').replace('unit = "cm^3/mol"', 'unit = "angstrom^3"')
    (folder / "metadata.toml").write_text(text, encoding="utf-8")
    data = load(folder)
    np.testing.assert_allclose(data.state["temperature"], [373.15, 473.15, 573.15], rtol=1e-14)
    np.testing.assert_allclose(data.values, np.array([-182.4, -47.9, -15.2]) * 0.602214076, rtol=1e-14)
    np.testing.assert_allclose(data.standard_deviation, np.array([0.8, 0.1, 0.1]) * 0.602214076, rtol=1e-14)
    np.testing.assert_allclose(data.environment.ranges["temperature"], (323.15, 1273.15), rtol=1e-14)


def test_line_ends_and_byte_order_mark_are_accepted(folder):
    plain = load(folder)
    for name in ("metadata.toml", "values.csv"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n") + b"\r\n\r\n")
    assert check(folder) == []
    assert load(folder).values.tolist() == plain.values.tolist()


def test_covariance_in_the_square_of_the_unit_of_the_values(folder):
    text = METADATA.replace('uncertainty = "', 'covariance = "covariance.csv"\nuncertainty = "', 1)
    text = text.replace('role = "uncertainty"', 'role = "annotation"').replace('"cm^3/mol"', '"dm^3/mol"')
    (folder / "metadata.toml").write_text(text, encoding="utf-8")
    (folder / "covariance.csv").write_text("4,1,0\n1,9,0\n0,0,1\n")
    data = load(folder)
    assert data.uncertainty is None
    assert data.covariance is not None
    np.testing.assert_allclose(data.covariance, np.array([[4, 1, 0], [1, 9, 0], [0, 0, 1]]) * 1e6, rtol=1e-14)
    for content, message in (
        ("4,9,0\n9,9,0\n0,0,1\n", "the covariance must be positive definite, found a smallest eigenvalue"),
        ("4,1,0\n2,9,0\n0,0,1\n", "the covariance must be symmetric, found"),
        ("4,1,0\n1,9,0\n", "the covariance must have a row for each of 3 data, found 2"),
        ("4,1,0\n1,9\n0,0,1\n", "line 2: a row must have a cell for each of 3 data, found 2"),
        ("4,1,0\n1,9,x\n0,0,1\n", "line 2, column 3: the cell must be a finite number with a decimal point, found 'x'"),
        ("4,1,0\n1,9,nan\n0,0,1\n", "line 2, column 3: the cell must be a finite number with a decimal point, found 'nan'"),
        ("", "covariance.csv: the file must not be empty"),
    ):
        (folder / "covariance.csv").write_text(content)
        assert message in str(only_problem(folder))
    (folder / "covariance.csv").unlink()
    assert "covariance.csv: the file must exist, found none" in str(only_problem(folder))


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "message"),
    [
        ("-47.9", "nan", 3, "column 'B'", "the value must be finite, found nan cm^3/mol: correct it or leave the row out"),
        ("-47.9", "inf", 3, "column 'B'", "must be finite, found inf cm^3/mol"),
        ("-47.9", "-1e999", 3, "column 'B'", "must be finite, found -1e999 cm^3/mol"),
        ("-47.9", "about 3", 3, "column 'B'", "the cell must be a number with a decimal point, found 'about 3'"),
        ("-47.9", '"-47,9"', 3, "column 'B'", "must be a number with a decimal point, found '-47,9'"),
        ("-47.9", "-4_7.9", 3, "column 'B'", "must be a number with a decimal point, found '-4_7.9'"),
        ("-47.9", "", 3, "column 'B'", "must be a number with a decimal point, found an empty cell"),
        ("200.0", "-200.0", 3, "column 'T'", "must be finite and greater than zero, found -200.0 K"),
        ("200.0", "0", 3, "column 'T'", "must be finite and greater than zero, found 0 K"),
        (",0.8,", ",0,", 2, "column 'u'", "must be finite and greater than zero, found 0 cm^3/mol"),
        (",0.8,", ",-0.8,", 2, "column 'u'", "must be finite and greater than zero, found -0.8 cm^3/mol"),
        ("0.1,Leiden", "0.1, ", 4, "column 'laboratory'", "a label must be printable text, found 'an empty cell'"),
        ("T,B,u", "T,B,B", 1, "column 'B'", "a column may occur once, found 2 of that name"),
        ("T,B,u", "T,B,v", 1, "column 'u'", "is declared in metadata.toml and must be there, found T, B, v, laboratory, remark"),
        ("200.0,", "200.0,,", 3, "", "a row must have 5 cells as the header has, found 6"),
        ("200.0,", "", 3, "", "a row must have 5 cells as the header has, found 4"),
        ('"Bochum, new"', '"Bochum, new', 3, "", "the row must be valid CSV, found: unexpected end of data"),
    ],
)
def test_bad_cells(folder, old, new, line, column, message):
    break_values(folder, old, new)
    problem = check(folder)[0]
    assert (problem.path, problem.line, problem.column) == (folder / "values.csv", line, column)
    assert message in problem.message
    with pytest.raises(DataError, match=re.escape(str(problem))):
        load(folder)


def test_lines_are_those_of_the_file_after_blank_lines_and_long_cells(folder):
    break_values(folder, "checked\n", '"two\nlines"\n\n  \n')
    break_metadata(folder, "format = 1", "# first\nformat = 1")
    assert check(folder) == []
    text = (folder / "values.csv").read_text().replace("-15.2", "x")
    (folder / "values.csv").write_text(text)
    assert only_problem(folder).line == 7


def test_a_negative_temperature_is_judged_in_kelvin(folder):
    break_metadata(folder, 'unit = "K"', 'unit = "degC"')
    break_values(folder, "200.0", "-20.0")
    text = (folder / "metadata.toml").read_text().replace("T = [50.0,", "T = [-50.0,")
    (folder / "metadata.toml").write_text(text)
    assert check(folder) == []
    break_values(folder, "200.0", "-280.0")
    assert "must be finite and greater than zero in K, found -280.0 degC" in only_problem(folder).message


def test_undeclared_column(folder):
    break_values(folder, "T,B,u,laboratory,remark", "T,B,u,laboratory,comment")
    messages = [str(problem) for problem in check(folder)]
    assert "column 'remark': the column is declared in metadata.toml and must be there" in messages[0]
    assert "column 'comment': every column must be declared in metadata.toml, found this one undeclared" in messages[1]


@pytest.mark.parametrize("name", ["values.csv", "metadata.toml"])
def test_files_that_cannot_be_read(folder, name):
    file = folder / name
    content = file.read_bytes()
    file.write_bytes(content.replace(b"Leiden", b"M\xfcnchen").replace(b"Person", b"M\xfcller"))
    problem = only_problem(folder)
    assert problem.line == {"values.csv": 2, "metadata.toml": 7}[name]
    assert "the text must be UTF-8, found byte 0xfc: save the file as UTF-8" in problem.message
    for empty in (b"", b"\xef\xbb\xbf", b"\r\n \n"):
        file.write_bytes(empty)
        assert "the file must not be empty, found no text" in only_problem(folder).message
    file.unlink()
    assert f"{name}: the file must exist, found none" in str(only_problem(folder))


def test_a_file_that_is_a_folder(folder):
    (folder / "values.csv").unlink()
    (folder / "values.csv").mkdir()
    assert "the file must be readable, found Is a directory" in only_problem(folder).message


def test_a_header_alone_is_no_data(folder):
    (folder / "values.csv").write_text("T,B,u,laboratory,remark\n")
    assert "the table must hold at least one row, found only a header" in only_problem(folder).message


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "message"),
    [
        ('unit = "K"', "", 17, "columns.T", "the unit is missing: give one, or an empty string for a pure number"),
        ('unit = "K"', 'unit = "kelvins!"', 20, "columns.T.unit", "unknown unit 'kelvins!'"),
        (
            'unit = "K"',
            'unit = "angstrom"',
            20,
            "columns.T.unit",
            "'angstrom' has the dimension [length], but 'K' needs [temperature]",
        ),
        ('unit = "cm^3/mol"', 'unit = "kg/m^3"', 24, "columns.B.unit", "'kg/m^3' has the dimension"),
        ('unit = "cm^3/mol"', 'unit = ""', 24, "columns.B.unit", "'' has the dimension dimensionless"),
        ('"second_virial"', '"second_viral"', 2, "observable", "unknown quantity 'second_viral': use one of second_virial"),
        ('quantity = "temperature"', "", 17, "columns.T", "unknown quantity 'T'"),
        ('quantity = "temperature"', 'quantity = "separation"', 20, "columns.T.unit", "'K' has the dimension"),
        ('role = "state"', 'role = "states"', 18, "columns.T.role", "found 'states': correct the value"),
        (
            'role = "group"',
            'role = "group"\nunit = "K"',
            32,
            "columns.laboratory.unit",
            "holds labels and has no unit, found 'K'",
        ),
        (
            'role = "value"',
            'role = "value"\nquantity = "pressure"',
            24,
            "columns.B.quantity",
            "only a state column names its quantity",
        ),
        ('role = "value"', 'role = "annotation"', None, "columns", "one column must have the role 'value', found none"),
        (
            'role = "uncertainty"',
            'role = "annotation"',
            None,
            "columns",
            "must have the role 'uncertainty', or a covariance must be given",
        ),
        ('role = "annotation"', 'role = "value"\nunit = "cm^3/mol"', None, "columns", "found 'B', 'remark': declare one"),
        ("format = 1", "format = 2", 1, "format", "found 2"),
        ("format = 1", "format = 1\ncolour = 3", 2, "colour", "'colour' is not part of the format, found 3"),
        ('substance = "argon"\n', "", None, "substance", "the key 'substance' must be given, found none"),
        ('substance = "argon"', 'substance = ""', 3, "substance", "at least 1 character, found ''"),
        ('licence = "CC0"\n', "", 6, "source.licence", "the key 'licence' must be given"),
        ('medium = "gas"', 'medium = "fog"', 12, "environment.medium", "found 'fog'"),
        ("T = [50.0, 1000.0]", "T = [50.0]", 15, "environment.ranges.T", "found [50.0]"),
        (
            "T = [50.0, 1000.0]",
            "Q = [50.0, 1000.0]",
            15,
            "environment.ranges.Q",
            "a range must be that of a state column, found 'Q' beside 'T'",
        ),
        (
            "[environment.ranges]",
            "[environment.treatment]\ncutoff = [1]\n[environment.ranges]",
            15,
            "environment.treatment.cutoff",
            "found [1]",
        ),
        ("[columns.T]", "[columns.T", 17, "", "the file must be valid TOML, found: "),
        (
            "[columns.T]",
            '[references.remark]\nx = { citation = "y" }\n[columns.T]',
            17,
            "references.remark",
            "must belong to a group column",
        ),
        ("[source]", 'molar_mass = { value = 40, unit = "K" }\n[source]', 6, "molar_mass.unit", "'K' has the dimension"),
        (
            "[source]",
            'molar_mass = { value = -40, unit = "g/mol" }\n[source]',
            6,
            "molar_mass.value",
            "greater than 0, found -40",
        ),
        (
            "[source]",
            'covariance = "covariance.csv"\n[source]',
            None,
            "columns",
            "no column may have the role 'uncertainty' beside a covariance",
        ),
    ],
)
def test_bad_metadata(folder, old, new, line, column, message):
    break_metadata(folder, old, new)
    problem = check(folder)[0]
    assert message in problem.message
    assert (problem.path, problem.line, problem.column) == (folder / "metadata.toml", line, column)
    with pytest.raises(DataError, match=re.escape(str(problem))):
        load(folder)


def test_a_state_outside_the_range_of_the_environment(folder):
    break_values(folder, "3e2", "3e3")
    assert "temperature must lie within the environment 'gas', 50.0 to 1000.0 K, found 3000.0 at datum 2" in str(
        only_problem(folder)
    )


def test_references_belong_to_labels(folder):
    references = '\n[references.laboratory]\nLeiden = { citation = "L", doi = "10.1/2" }\nParis = { citation = "P" }\n'
    (folder / "metadata.toml").write_text(METADATA + references)
    assert "a reference must belong to a label of the column, found 'Paris'" in only_problem(folder).message
    (folder / "metadata.toml").write_text(METADATA + references.replace("Paris", "'Bochum, new'"))
    assert load(folder).source.references["laboratory"]["Leiden"].doi == "10.1/2"


def test_a_mass_density_with_its_molar_mass(folder):
    text = METADATA.replace("second_virial", "saturated_liquid_density").replace("cm^3/mol", "kg/m^3")
    (folder / "metadata.toml").write_text(text)
    (folder / "values.csv").write_text("T,B,u,laboratory,remark\n85,1409.508,0.28,x,\n")
    assert "or give the molar mass" in check(folder)[0].message
    (folder / "metadata.toml").write_text(text.replace("[source]", 'molar_mass = { value = 39.948, unit = "g/mol" }\n[source]'))
    data = load(folder)
    assert data.values[0] == pytest.approx(0.0212483, abs=5e-8)
    assert data.standard_deviation[0] / data.values[0] == pytest.approx(0.28 / 1409.508, rel=1e-12)


def test_all_problems_are_found_at_once(folder):
    break_metadata(folder, 'unit = "cm^3/mol"', 'unit = "K"')
    break_values(folder, "-47.9,0.1", "x,0")
    (folder / "values.csv").write_text((folder / "values.csv").read_text() + "1,2,3\n")
    problems = [str(problem) for problem in check(folder)]
    assert len(problems) == 3
    assert "columns.B.unit" in problems[0]
    assert "a row must have 5 cells" in problems[1]
    assert "column 'u'" in problems[2]
    with pytest.raises(DataError, match="2 more found"):
        load(folder)


def test_no_such_folder(tmp_path):
    with pytest.raises(DataError, match="a name of the catalogue or a folder is needed, found neither"):
        load(tmp_path / "nowhere")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))),
    name=st.sampled_from(["values.csv", "metadata.toml"]),
)
def test_any_content_is_read_or_reported(folder, content, name):
    (folder / "metadata.toml").write_text(METADATA, encoding="utf-8")
    (folder / "values.csv").write_text(VALUES, encoding="utf-8")
    (folder / name).write_bytes(content)
    assert check(folder)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cell=st.text(st.characters(codec="utf-8", exclude_characters='\r\n",'), max_size=10))
def test_any_cell_is_a_number_or_a_problem(folder, cell):
    break_values(folder, "-47.9", cell)
    problems = check(folder)
    if problems:
        assert problems[0].line == 3
        return
    data = load(folder)
    assert isinstance(data, DataSet)
    assert data.values[1] == float(cell)

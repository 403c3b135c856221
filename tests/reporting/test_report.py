"""The page that a person reads."""

import dataclasses
import html.parser
import json
import re

import numpy as np
import pytest
import xarray

from bayesff import reporting
from bayesff.inference import diagnose
from bayesff.reporting import tables
from bayesff.reporting.assessed import assess
from bayesff.reporting.verdict import form_findings, ranking, verdict
from bayesff.reporting.wording import plus_minus

from .conftest import QUESTION


class Page(html.parser.HTMLParser):
    """What a browser would load, show and link to."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.links, self.tags, self.text, self._hidden = [], [], [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self._hidden = tag == "style"
        for name, value in attrs:
            if name == "src":
                self.loaded.append(value)
            if name == "href":
                self.links.append(value)

    def handle_data(self, data):
        if not self._hidden:
            self.text.append(data)


@pytest.fixture(scope="module")
def source(written):
    return (written.folder / "report.html").read_text()


@pytest.fixture(scope="module")
def page(source):
    return Page(source)


def test_the_page_loads_nothing_from_elsewhere(page, source):
    assert page.loaded
    assert all(address.startswith("data:image/") for address in page.loaded)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert all(link.startswith(("#", "https://doi.org/")) for link in page.links)
    assert "@import" not in source
    assert "url(" not in source


def test_words_from_outside_are_escaped(page, source):
    assert "<b>B2</b>" not in source
    assert "Weir & <Co> 1967" in "".join(page.text)
    assert QUESTION in "".join(page.text)
    assert "argon <test>" in "".join(page.text)


def test_the_verdict_comes_first_and_is_that_of_the_numbers(page, trees):
    text = " ".join("".join(page.text).split())
    judged = verdict(assess(trees))
    assert judged.converged
    assert text.index("Converged") < text.index("Data and fit")
    for sentence in judged.summary:
        assert sentence in text.replace("\u00a0", " ")
    assert "Mie predicts the data best" in judged.summary[0]
    assert "that of Lennard-Jones by" in judged.summary[0]


def test_no_number_is_missing(page):
    text = " ".join(page.text)
    assert not re.search(r"\b(nan|inf|None|undefined)\b", text)


def test_every_section_is_there(page):
    text = "".join(page.text)
    for title in ("Data and fit", "Parameters", "Residuals", "Predictive checks", "Comparison", "Diagnostics", "Provenance"):
        assert title in text
    for fact in ("0123456789abcdef", "with uncommitted changes", "A. Author & B. Author", "python 3.12.1", "doi:10.1000/182"):
        assert fact in text
    assert "blackjax" not in text


def test_a_single_candidate_has_a_report_without_a_comparison(trees, tmp_path):
    written = reporting.write_run("single", QUESTION, {"mie": trees["mie"]}, tmp_path / "out")
    text = "".join(Page(written.report.read_text()).text)
    assert "Comparison of the candidates" not in text
    assert "Mie was calibrated on 25 data from 3 environments, without another candidate" in text
    assert "not recorded" in text
    assert not (tmp_path / "out" / "figures" / "comparison.svg").exists()


def test_a_run_that_has_not_converged_says_so_before_anything_else(trees, tmp_path):
    bad = trees["mie"].copy()
    bad["diagnostics"]["converged"] = 0
    bad["diagnostics"].attrs["reasons"] = "3 draws diverged (none may)"
    written = reporting.write_run("bad", QUESTION, {"mie": bad}, tmp_path / "out")
    text = "".join(Page(written.report.read_text()).text)
    assert not written.converged
    assert "Not converged: do not rely on these numbers" in text
    assert "Mie: 3 draws diverged (none may)." in text
    assert text.index("Not converged") < text.index("was calibrated on")


def test_candidates_are_compared_with_the_error_of_their_difference(trees):
    copies = {name: tree.copy() for name, tree in trees.items()}
    for tree in copies.values():
        tree.attrs |= {"log_z": -12.5, "log_z_sd": 0.01}
    assessed = assess(copies)
    best, other = tables.comparison_rows(assessed)
    assert best[2] == "best"
    facts = assessed.comparison.isel(candidate=1)
    assert other[2] == plus_minus(float(facts["elpd_difference"]), float(facts["se_difference"]))
    assert other[-1] == plus_minus(-12.5, 0.01)


def test_twins_cannot_be_told_apart(trees):
    sentence = ranking(assess({"mie": trees["mie"], "twin": trees["mie"].copy()}))
    assert "by a margin that decides nothing" in sentence
    assert "cannot be told apart from it" in sentence


def test_the_form_is_called_wrong_where_the_discrepancy_says_so(trees):
    assessed = assess(trees)
    (sentence,) = form_findings(assessed.candidates["lennard_jones"])
    assert "Lennard-Jones: the functional form is wrong in “cold gas” (off by 4." in sentence
    assert "“warm gas”" in sentence
    # A wide scale of a discrepancy that was not found is no reason to call the form wrong.
    (sentence,) = form_findings(assessed.candidates["mie"])
    assert "no error of the form beyond the stated uncertainty is seen in “cold gas” and “warm gas”" in sentence


def test_an_environment_with_two_observables_says_which_is_meant(trees):
    candidate = assess(trees).candidates["lennard_jones"]
    scales = candidate.scales.isel(scale=np.flatnonzero(candidate.scales["kind"].to_numpy() == "discrepancy"))
    (term,) = set(scales["term"].to_numpy().tolist())
    label = candidate.terms[term].quantity.label
    together = scales.assign_coords(environment=("scale", ["gas"] * scales.sizes["scale"]))
    (sentence,) = form_findings(dataclasses.replace(candidate, scales=together))
    assert sentence.count(f"“gas” ({label} off by ") == scales.sizes["scale"]


def test_parameters_that_differ_between_environments_are_shown_for_each(trees, tmp_path):
    tree = trees["mie"].copy()
    posterior, prior = tree["posterior"].to_dataset(), tree["prior"].to_dataset()
    for name, dataset in (("posterior", posterior), ("prior", prior)):
        own = dataset["epsilon"].expand_dims(environment=["cold gas", "warm gas", "dimer"], axis=2)
        tree[name] = dataset.assign(epsilon_environment=own.assign_attrs(dataset["epsilon"].attrs)).drop_vars("epsilon")
    tree["diagnostics"] = diagnose(tree, {"method": "exact"})
    written = reporting.write_run("pooled", QUESTION, {"mie": tree}, tmp_path / "out")
    rows = [(row.name, row.unit) for row in written.parameters["mie"] if row.kind == "potential"]
    assert rows == [("ε, cold gas", "K"), ("ε, warm gas", "K"), ("ε, dimer", "K"), ("σ", "Å")]
    assert "With σ = " in verdict(assess({"mie": tree})).summary[1]


@pytest.mark.parametrize(("number", "words"), [(6, "With w0 = "), (7, "With its 7 parameters, ")])
def test_many_parameters_are_counted_in_the_summary(number, words, trees):
    tree = trees["mie"].copy()
    for group in ("prior", "posterior"):
        dataset = tree[group].to_dataset()
        weights = {f"w{k}": dataset["epsilon"] for k in range(number)}
        tree[group] = dataset.drop_vars(["epsilon", "sigma"]).assign(weights)
    tree.attrs["parameters"] = json.dumps(list(weights))
    tree["diagnostics"] = diagnose(tree, {"method": "exact"})
    assert verdict(assess({"mie": tree})).summary[1].startswith(words)


def test_reference_simulations_are_shown(trees, tmp_path):
    """A state with too few effective frames beside one with enough."""
    tree = trees["mie"].copy()
    sizes = np.stack([np.full((4, 250), 900.0), np.linspace(40.0, 400.0, 1000).reshape(4, 250)], axis=-1)
    fluid = {"temperature": 85.0, "density": 0.02125, "num_particles": 256, "timestep": 0.01}
    potential = {"form": "PlainCut", "potential": {"form": "LennardJones", "epsilon": 0.99, "sigma": 3.4}, "cutoff": 10.0}
    simulation = {"potential": potential, "fluid": fluid, "seed": 5, "num_replicas": 4, "num_frames": 500, "stride": 25}
    tree["ensembles"] = xarray.Dataset(
        {
            "effective_sample_size": (("chain", "draw", "liquid_state"), sizes),
            "smallest_sample": ("liquid_state", [100.0, 100.0]),
        },
        {
            "environment": ("liquid_state", ["cold", "warm"]),
            "temperature": ("liquid_state", [85.0, 110.0]),
            "density": ("liquid_state", [0.02125, 0.019]),
        },
        {"simulations": json.dumps([simulation, simulation]), "shortfall": "the budget of 2 reference simulations was used up"},
    )
    made = reporting.write_run("liquid", QUESTION, {"mie": tree}, tmp_path / "out")
    text = " ".join(" ".join(Page((made.folder / "report.html").read_text()).text).split())
    section = text[text.index("Reference simulations No particle") :]
    assert "The budget of 2 reference simulations was used up." in section
    assert "cold 85 K 0.02125 2 900 900 900 100" in section
    assert "warm 110 K 0.019 0 40 58 220 100" in section
    assert "PlainCut(LennardJones(epsilon=0.99, sigma=3.4), cutoff=10)" in section
    assert "2000 of 4 boxes, every 25 steps of 10 fs" in section
    found = json.loads((made.folder / "metrics.json").read_text())["models"]["mie"]["ensembles"]
    assert found["num_simulations"] == 2
    assert found["states"][1]["effective_sample_size"] == pytest.approx({"min": 40.0, "q05": 58.0, "q50": 220.0})

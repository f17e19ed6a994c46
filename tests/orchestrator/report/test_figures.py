"""Figures: what stands beside a module is a band in its colour."""

from __future__ import annotations

import polars as pl
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba

from orchestrator.report.figures.figure import Key
from orchestrator.report.figures.figures import subtask_figure
from orchestrator.report.figures.maps import HeatMap
from orchestrator.report.figures.plotting import draw_sheet, panel_svg
from orchestrator.report.frames import FLIPPED
from orchestrator.report.tables import subtask_table

METHODS, CONTROLS, SIZES = ("mwt", "nemo"), (None, "magnitude", "random"), (2, 5)


def accuracy(method: str, control: str | None, size: int, sample: int) -> float:
    return 0.95 - 0.02 * size - 0.1 * CONTROLS.index(control) + 0.01 * METHODS.index(method) + 0.02 * sample


@pytest.fixture(scope="module")
def subtasks() -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                **{"backbone": "rescnn", "dataset": "digits", "width": 0.125, "variant": "", "method": method},
                **{"settings": f"weight=1 control={control}" if control else "weight=1", "control": control},
                **{"seed": 0, "threshold": 0.9, "classes": [*range(sample, sample + size)]},
                **{"accuracy": accuracy(method, control, size, sample), "standard_accuracy": 0.99},
                "accuracy_before_finetuning": accuracy(method, control, size, sample) / 2,
                **{"krr": 0.1 * size, "flops": 1e6 * size},
            }
            for method in METHODS
            for control in CONTROLS
            for size in SIZES
            for sample in (0, 1)
        ],
        schema_overrides={"control": pl.String},
    )


def test_controls_are_bands_beside_the_modules_of_their_method(subtasks: pl.DataFrame) -> None:
    figure = subtask_figure(0.9, subtasks)
    assert set(figure.legend) == {
        *("mwt weight=1", "nemo weight=1", "control: magnitude", "control: random", "the whole standard network")
    }
    tuned = next(panel for panel in figure.panels if "after" in panel.title)
    bands = [series for series in tuned.series if series.key.band is not None]
    assert [series.key for series in bands] == [Key(style, band) for style in (0, 1) for band in (0, 1)]
    assert [point.y for point in bands[1].points] == pytest.approx(
        [100 * (accuracy("mwt", "random", size, 0) + 0.01) for size in SIZES]
    )
    assert "mwt weight=1, random control" in bands[1].text and "2 classes" in bands[1].text
    modules = [series for series in tuned.series if series.marks and series.key.band is None]
    assert [series.key for series in modules] == [Key(0), Key(1)]
    sizes = next(panel for panel in figure.panels if panel.title == "KRR %")
    assert [series.key for series in sizes.series] == [Key(0), Key(1)]  # a control has the module's


def test_a_band_is_as_wide_as_its_spread_and_of_the_modules_colour(subtasks: pl.DataFrame) -> None:
    figure = subtask_figure(0.9, subtasks)
    place = [panel.title for panel in figure.panels].index("Accuracy after tuning %")
    axes = draw_sheet(figure).axes[place]
    drawn = [each for each in axes.collections if isinstance(each, PolyCollection)]
    bands = [series for series in figure.panels[place].series if series.key.band is not None]
    colours = {container.get_label(): container.lines[0].get_color() for container in axes.containers}
    assert len(drawn) == len(bands) == 4
    for polygon, series in zip(drawn, bands, strict=True):
        corners = {(round(x, 6), round(y, 6)) for x, y in polygon.get_paths()[0].vertices}
        for point in series.points:
            assert point.spread == pytest.approx(100 * 0.02 / 2**0.5)
            assert {(point.x, round(point.y + sign * point.spread, 6)) for sign in (-1, 1)} <= corners
        method = series.text.split(",")[0]
        assert tuple(polygon.get_facecolor()[0][:3]) == pytest.approx(to_rgba(colours[method])[:3])
    lines = [line for line in axes.lines if line.get_label().startswith("_") and line.is_dashed()]
    assert len({str(line._dash_pattern) for line in lines}) == 3  # two controls, and the standard network


def test_a_pointer_on_a_band_is_told_what_it_is(subtasks: pl.DataFrame) -> None:
    panel = next(each for each in subtask_figure(0.9, subtasks).panels if "before" in each.title)
    _, titles = panel_svg(panel)
    said = [text for texts in titles.values() for text in texts]
    assert sum("nemo weight=1, magnitude control" in text for text in said) == 2  # its line and its area
    assert all("±" in text for text in said if "control" in text)


def test_what_recalibration_alone_is_worth_has_a_column_where_it_says_something(subtasks: pl.DataFrame) -> None:
    before = pl.col("accuracy_before_finetuning")
    sized = subtasks.with_columns(pl.col("krr").alias("weight_retention"), pl.col("krr").alias("flops_reduction"))
    nobody_asked = [pl.lit(None, kind).alias(name) for name, kind in FLIPPED.items()]
    sized = sized.with_columns(pl.lit(0.9).alias("modular_accuracy"), *nobody_asked)
    for recalibrated, shown in ((pl.lit(None, pl.Float64), False), (before, False), (before + 0.125, True)):
        table = subtask_table(0.9, sized.with_columns(recalibrated.alias("accuracy_recalibrated")))
        assert ("Recalibrated %" in table.columns) == shown == ("Recalibrated:" in table.note)
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert float(row["Recalibrated %"].split()[0]) - float(row["Before tuning %"].split()[0]) == pytest.approx(12.5)


@pytest.mark.parametrize(("classes", "layers"), [(1000, 200), (61, 3), (10, 12)])
def test_a_map_of_any_size_has_a_bound_and_names_some_of_its_rows(classes: int, layers: int) -> None:
    names = [f"class {number}" for number in range(classes)]
    rows = [(f"layer {number}", [0.5] * classes) for number in range(layers)]
    sheet = draw_sheet(HeatMap("Kept kernels", "Layer, class", names, rows, "note"))
    axes = sheet.axes[0]
    width, height = sheet.get_size_inches()
    assert width <= 17 and height <= 16
    drawn = [names[:: -(-classes // 250)], [name for name, _ in rows]]
    assert axes.images[0].get_array().shape == (len(drawn[1]), len(drawn[0]))
    for shown, wanted in zip((axes.get_xticklabels(), axes.get_yticklabels()), drawn, strict=True):
        told = [label.get_text() for label in shown]
        assert told == wanted[:: -(-len(wanted) // 60)]
    assert axes.get_xlabel() == ("Class (one in 4)" if classes == 1000 else "Class") and axes.get_ylabel() == "Layer"

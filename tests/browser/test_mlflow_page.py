"""What a person sees: the MLflow page that `nemo ui` opens, in real headless Chromium."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from orchestrator.ledger.ledger import Ledger
from orchestrator.storage.studies import artifact_root, tracking_uri
from orchestrator.study.study import Study
from tests.orchestrator.invented import invented_study, plan_of
from tests.tracked import AtOnce, runs

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def storage() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="nemo-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def study(storage: Path) -> tuple[Study, Ledger]:
    study, ledger = invented_study(storage)
    tracking = AtOnce(tracking_uri(storage), artifact_root(storage), study.name)
    tracking.study_run(study.name, ledger, {})
    tracking.close("FINISHED")
    return study, ledger


@pytest.fixture(scope="module")
def addresses(storage: Path, study: tuple[Study, Ledger]) -> Iterator[dict[str, str]]:
    """`page`, `compared`, `sub-tasks` and `trainings`, as `nemo ui` prints them."""
    command = [sys.executable, "-m", "orchestrator.cli", "ui", "--storage", str(storage)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as ui:
        try:
            lines = [ui.stdout.readline() for _ in range(4)]
            found = [re.search(r"(\S+) (http://127\.0\.0\.1:\S+)", line) for line in lines]
            assert all(found), lines
            yield {"page" if match[1] == "at" else match[1]: match[2] for match in found}
        finally:
            ui.send_signal(signal.SIGTERM)


def rows(driver: webdriver.Chrome, url: str, count: int) -> dict[str, dict[str, str]]:
    """Run name -> column -> text of the runs page, once it shows so many runs."""
    driver.get("about:blank")
    driver.get(url)
    script = """
        const rows = {};
        for (const cell of document.querySelectorAll('[role=row] [role=gridcell][col-id]')) {
            const row = cell.closest('[row-index]').getAttribute('row-index');
            (rows[row] ??= {})[cell.getAttribute('col-id')] = cell.innerText.trim();
        }
        return Object.values(rows);
    """
    WebDriverWait(driver, 90).until(lambda driver: f"{count} matching runs" in body(driver))
    WebDriverWait(driver, 30).until(lambda driver: len(driver.execute_script(script)) == count)
    # A name's cell begins with the colour of the run.
    return {row["attributes.`Run Name`"].splitlines()[-1]: row for row in driver.execute_script(script)}


def body(driver: webdriver.Chrome) -> str:
    return str(driver.execute_script("return document.body.innerText"))


def test_the_page_shows_every_run_with_its_krr_accuracy_and_flops(
    chromium: webdriver.Chrome, addresses: dict[str, str], study: tuple[Study, Ledger], tmp_path: Path
) -> None:
    wanted, ledger = study
    steps = plan_of(wanted, ledger).steps
    subtasks = [step for step in steps if step.kind == "reuse"]
    shown = rows(chromium, addresses["sub-tasks"], len(subtasks))
    chromium.save_screenshot(str(tmp_path / "subtasks.png"))
    for step in subtasks:
        result = ledger.get(step.key)["result"]
        for metric in ("krr", "accuracy", "accuracy_before_finetuning", "flops", "flops_reduction"):
            assert float(shown[step.label][f"metrics.`{metric}`"]) == pytest.approx(result[metric])
    trainings = [step for step in steps if step.kind == "train"]
    shown = rows(chromium, addresses["trainings"], len(trainings))
    for step in trainings:
        result = ledger.get(step.key)["result"]
        for metric in ("accuracy", "flops"):
            assert float(shown[step.label][f"metrics.`{metric}`"]) == pytest.approx(result[metric])
        assert step.params["method"] == "standard" or float(shown[step.label]["metrics.`krr`"]) > 0


def test_the_trainings_are_compared_at_once(
    chromium: webdriver.Chrome, addresses: dict[str, str], study: tuple[Study, Ledger], tmp_path: Path
) -> None:
    chromium.get("about:blank")
    chromium.get(addresses["compared"])
    drawn = """
        return [...document.querySelectorAll('.js-plotly-plot')].filter(plot => plot.querySelector('.scatterlayer'))
            .map(plot => [plot.querySelector('.xtitle')?.textContent, plot.querySelector('.ytitle')?.textContent,
                          plot.querySelectorAll('.scatterlayer .points path').length]);
    """
    wanted, ledger = study
    trainings = [step for step in plan_of(wanted, ledger).steps if step.kind == "train"]
    measured = sum(step.params["method"] != "standard" for step in trainings)
    first = [["krr", "accuracy", measured], ["flops", "accuracy", len(trainings)]]
    try:
        WebDriverWait(chromium, 90).until(lambda driver: driver.execute_script(drawn)[:2] == first)
    finally:
        chromium.save_screenshot(str(tmp_path / "compared.png"))


def test_the_page_opens_on_the_study_and_names_its_experiment(
    chromium: webdriver.Chrome, addresses: dict[str, str], study: tuple[Study, Ledger]
) -> None:
    chromium.get(f"{addresses['page']}/#/experiments")
    WebDriverWait(chromium, 90).until(lambda driver: study[0].name in body(driver))


def test_the_studys_own_run_shows_its_report(
    chromium: webdriver.Chrome, addresses: dict[str, str], study: tuple[Study, Ledger], storage: Path
) -> None:
    top = runs(tracking_uri(storage))["study:invented"].info
    run = f"{addresses['page']}/#/experiments/{top.experiment_id}/runs/{top.run_id}/artifacts"
    chromium.get(f"{run}/report/report.html")

    def page(driver: webdriver.Chrome) -> str:
        """The text of the page within the page, once it is there."""
        for frame in driver.find_elements(By.TAG_NAME, "iframe"):
            driver.switch_to.frame(frame)
            found = body(driver)
            driver.switch_to.default_content()
            if "What the study asked" in found:
                return found
        return ""

    shown = WebDriverWait(chromium, 90).until(page)
    assert shown.startswith(study[0].name) and "To see it again" in shown
    assert "study.yaml" in body(chromium) and "figures" in body(chromium)

    figures = MlflowClient(tracking_uri(storage)).list_artifacts(top.run_id, "report/figures")
    chromium.get("about:blank")
    chromium.get(f"{run}/{figures[0].path}")
    drawn = "return [...document.images].some(image => image.src.startsWith('blob:') && image.naturalWidth > 300)"
    WebDriverWait(chromium, 90).until(lambda driver: driver.execute_script(drawn))


def test_trained_networks_are_in_the_tab_of_models(
    chromium: webdriver.Chrome, addresses: dict[str, str], study: tuple[Study, Ledger], storage: Path, tmp_path: Path
) -> None:
    client, top = MlflowClient(tracking_uri(storage)), runs(tracking_uri(storage))["study:invented"].info
    models = client.search_logged_models([top.experiment_id])
    chromium.get("about:blank")
    chromium.get(f"{addresses['page']}/#/experiments/{top.experiment_id}/models")
    try:
        WebDriverWait(chromium, 90).until(lambda driver: all(model.name in body(driver) for model in models))
    finally:
        chromium.save_screenshot(str(tmp_path / "models.png"))
    chromium.get(f"{addresses['page']}/#/experiments/{top.experiment_id}/models/{models[0].model_id}")
    shown = (models[0].name, "accuracy", "flops", "recipe.epochs", "digits")
    try:
        WebDriverWait(chromium, 90).until(lambda driver: all(each in body(driver) for each in shown))
    finally:
        chromium.save_screenshot(str(tmp_path / "model.png"))

"""The magics, the timeline, the plots, and the notebooks of the examples."""

import pathlib

import pytest

import datafusion_timetravel as tt

NOTEBOOKS = sorted((pathlib.Path(__file__).parents[2] / "examples" / "notebooks").glob("*.ipynb"))


@pytest.fixture
def shell(db):
    pytest.importorskip("IPython")
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    shell.user_ns["db"] = db
    shell.run_line_magic("load_ext", "datafusion_timetravel")
    yield shell
    shell.history_manager.end_session()


def test_magics(shell, prices):
    assert shell.run_cell_magic("tt", "", "SELECT count(*) AS n FROM prices VERSION AS OF 1").item() == 2
    shell.user_ns["version"] = 2
    text = "INSERT INTO prices VALUES ('figs', 1);\nSELECT count(*) AS n, '$no' AS s FROM prices VERSION AS OF $version -- $nor\n;"
    assert shell.run_cell_magic("tt", "kept", text).to_pylist() == [{"n": 3, "s": "$no"}]
    assert shell.user_ns["kept"].columns == ["n", "s"]
    assert shell.run_line_magic("tt", "SELECT 1 AS a").item() == 1
    assert "APPEND" in str(shell.run_line_magic("tt", "history prices"))
    assert shell.run_line_magic("tt", "db") is shell.user_ns["db"]
    with pytest.raises(NameError, match="nowhere"):
        shell.run_cell_magic("tt", "", "SELECT $nowhere")
    with pytest.raises(ValueError, match="no name of a variable"):
        shell.run_cell_magic("tt", "1x", "SELECT 1")


def test_a_cell_needs_an_open_warehouse(shell, tmp_path):
    del shell.user_ns["db"]
    with pytest.raises(LookupError, match="%tt connect"):
        shell.run_cell_magic("tt", "", "SELECT 1")
    shell.run_line_magic("tt", f"connect {tmp_path / 'other'}")
    assert shell.run_cell_magic("tt", "", "SELECT 1").item() == 1


def test_the_timeline_tells_what_can_be_had(db, prices):
    text = str(prices.timeline())
    assert "newest" in text and text.count("readable") == 3 and text.index("DELETE") < text.index("CREATE")
    db.sql("ALTER TABLE prices SET TBLPROPERTIES ('acid.data.retain.hours' = '0')")
    assert str(prices.timeline()).count("readable") < 4
    html = prices.timeline()._repr_html_()
    assert html.count("<li ") == 4 and "restorable" in html


def test_the_timeline_escapes(tmp_path):
    with tt.connect(tmp_path / "lake", user="<b>ana</b>", reason="<script>") as db:
        html = db.create_table('"<i>"', {"a": [1]}).timeline()._repr_html_()
    assert "<script>" not in html and "<b>ana" not in html and "<i>" not in html


@pytest.mark.parametrize("backend", ["altair", "matplotlib"])
def test_plots(prices, backend):
    pytest.importorskip(backend)
    picture = prices.plot(backend=backend)
    if backend == "altair":
        assert [row["operation"] for row in picture.to_dict()["data"]["values"]] == ["CREATE", "APPEND", "DELETE"]
    else:
        assert picture.axes[0].get_title().startswith("prices")
    with pytest.raises(ValueError, match="altair"):
        prices.plot(backend="crayons")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(path, tmp_path):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("tt-timeline" in "".join(output.get("data", {}).get("text/html", "")) for output in shown)


def test_there_are_notebooks():
    assert NOTEBOOKS

"""The page's machinery: what fails stays local, what is drawn is deterministic and small."""

import errno
import re
from importlib import import_module

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from drivetrain.core.rooms import method_names
from drivetrain.gallery.page import build as build_module
from drivetrain.gallery.page import sections as sections_module
from drivetrain.gallery.page.build import build
from drivetrain.gallery.page.draw import heat, log_axis, panel, power, thin
from drivetrain.gallery.page.palette import BLUE, INKS
from drivetrain.gallery.page.section import Figure, Number, Section, Table
from drivetrain.gallery.page.sections import load, section_names
from drivetrain.gallery.page.svg import fragment, isolate


def curve(seed):
    values = np.random.default_rng(seed).normal(size=200).cumsum()

    def paint(ax):
        ax.plot(values, color=BLUE, marker="o", markevery=50)
        ax.set_xlabel("step <k> & more")

    return Figure(
        title="A walk & its <end>",
        panels=(panel(paint, alt="A random walk"), panel(paint, alt="The same walk")),
        caption="Drawn from a seed.",
        numbers=(Number(what="end", ours=f"{values[-1]:.3f}", reference="0", source="theory"),),
        table=Table(header=("set", "ms"), rows=(("small", "1.5"),)),
        sources=("nothing, public domain",),
    )


def broken(seed):
    raise ValueError("k has 4 heads\nq has 6")


def sections(monkeypatch, **figures):
    made = {
        method: Section(title=method, paragraph=f"About {method}.", figures=drawn)
        for method, drawn in figures.items()
    }
    monkeypatch.setattr(build_module, "section_names", lambda: sorted(made))
    for module in (build_module, sections_module):
        monkeypatch.setattr(module, "load", made.__getitem__)


def page(methods, out, **options):
    return build(methods, out, workers=1, **{"progress": False, **options})


def test_same_seed_same_bytes(monkeypatch, tmp_path):
    sections(monkeypatch, optim={"walk": curve})
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        page(None, tmp_path / name, seed=seed)
    first, again, other = ((tmp_path / name).read_bytes() for name in "abc")
    assert first == again
    assert first != other


def test_page_holds_figures_numbers_command_and_all_methods(monkeypatch, tmp_path):
    sections(monkeypatch, optim={"walk": curve})
    built = page(["optim"], tmp_path / "deep" / "page.html", seed=3)
    text = built.path.read_text(encoding="utf8")
    assert built.figures == 1 and built.failed == () and built.size == len(text.encode())
    assert text.count('<svg class="panel"') == 2
    assert "A walk &amp; its &lt;end&gt;" in text and "step &lt;k&gt; &amp; more" in text
    assert "<code>drivetrain demo optim --seed 3</code>" in text
    assert "nothing, public domain" in text
    assert len(method_names()) == 12
    assert text.count('<li class="planned"') == 11


def test_no_id_occurs_twice_and_every_reference_has_its_target(monkeypatch, tmp_path):
    sections(monkeypatch, optim={"one": curve, "two": curve}, amp={"one": curve})
    text = page(None, tmp_path / "page.html").path.read_text(encoding="utf8")
    names = re.findall(r'\bid="([^"]+)"', text)
    assert len(names) == len(set(names))
    targets = set(re.findall(r'href="#([^"]+)"', text)) | set(re.findall(r"url\(#([^)]+)\)", text))
    assert targets and targets <= set(names)


def test_nothing_is_fetched_and_nothing_runs(monkeypatch, tmp_path):
    sections(monkeypatch, optim={"walk": curve})
    text = page(None, tmp_path / "page.html").path.read_text(encoding="utf8")
    assert "<script" not in text
    # The one address is the namespace inside the icon's data URI.
    assert set(re.findall(r"https?://[^\s'\"]+", text)) == {"http://www.w3.org/2000/svg"}


def test_a_broken_figure_loses_no_other(monkeypatch, tmp_path):
    sections(monkeypatch, amp={"bad": broken, "walk": curve}, optim={"walk": curve})
    built = page(None, tmp_path / "page.html")
    assert built.failed == ("amp/bad: ValueError: k has 4 heads q has 6",)
    assert built.figures == 2
    assert "ValueError: k has 4 heads q has 6" in built.path.read_text(encoding="utf8")


def test_a_figure_that_cannot_be_imported_loses_no_other(monkeypatch, tmp_path):
    sections(monkeypatch, amp={"walk": curve, "gone": "amp_figures.gone"})
    built = page(None, tmp_path / "page.html")
    (failure,) = built.failed
    assert failure.startswith("amp/gone: ModuleNotFoundError: No module named")
    assert built.figures == 1


def test_a_figure_that_is_none_is_named(monkeypatch, tmp_path):
    sections(monkeypatch, amp={"forgot": lambda seed: None})
    built = page(None, tmp_path / "page.html")
    assert built.failed == (
        "amp/forgot: TypeError: figure(seed) must return a Figure. Got NoneType.",
    )


def test_pick_draws_only_what_is_asked_for(monkeypatch, tmp_path):
    sections(monkeypatch, optim={"one": curve, "two": broken, "three": curve})
    built = page(None, tmp_path / "page.html", pick={"optim": ("three", "one")})
    assert built.figures == 2 and built.failed == ()


def test_interrupt_is_not_swallowed_and_the_old_page_survives(monkeypatch, tmp_path):
    def interrupted(seed):
        raise KeyboardInterrupt

    sections(monkeypatch, optim={"walk": curve, "never": interrupted})
    (tmp_path / "page.html").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        page(None, tmp_path / "page.html")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert (tmp_path / "page.html").read_text() == "old"


def test_full_disk_keeps_the_old_page(monkeypatch, tmp_path):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    sections(monkeypatch, optim={"walk": curve})
    (tmp_path / "page.html").write_text("old")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        page(None, tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text() == "old"


def test_progress_counts_figures(monkeypatch, tmp_path, capsys):
    sections(monkeypatch, amp={"bad": broken}, optim={"one": curve, "two": curve})
    page(None, tmp_path / "page.html", progress=True)
    assert capsys.readouterr().err.splitlines() == [
        "demo 1/3: amp, bad",
        "demo 2/3: optim, one",
        "demo 3/3: optim, two",
    ]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("optin", "Unknown method 'optin'. Did you mean 'optim'?"),
        ("medusa", "medusa has no section yet"),
    ],
)
def test_unknown_and_unbuilt_methods(word, message, tmp_path):
    if word in section_names():
        pytest.skip(f"{word} has a section by now")
    with pytest.raises(ValueError, match=re.escape(message)):
        page([word], tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


def test_out_must_be_a_file(tmp_path):
    with pytest.raises(IsADirectoryError, match="out must be a file"):
        page(None, tmp_path)


def test_an_unwritable_place_is_told_before_anything_is_drawn(monkeypatch):
    sections(monkeypatch, optim={"never": lambda seed: pytest.fail("drawn in vain")})
    # Root may write anywhere but here: a kernel's folder, and a device, which renaming replaces.
    for place, words in (("/proc/page.html", "cannot write"), ("/dev/null", "not a regular file")):
        with pytest.raises(OSError, match=words):
            page(None, place)


def test_every_module_of_the_gallery_is_a_section():
    for method in section_names():
        section = load(method)
        assert method in method_names()
        assert section.figures and len(section.paragraph) > 40
        for where in section.figures.values():
            assert callable(import_module(f"drivetrain.gallery.{where}").figure)


def test_timed_must_name_figures():
    with pytest.raises(ValueError, match="timed must name figures"):
        Section(title="A", paragraph="B", figures={"one": curve}, timed=("two",))


def test_colours_become_variables():
    def paint(ax):
        heat(ax, [[0, 1], [2, np.nan]], columns="ab", rows="cd", low=0, high=2)

    svg = panel(paint, alt="Four cells")
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", svg))
    assert used and used <= {ink.name for ink in INKS}
    # No sentinel and no colour of matplotlib's own is left: each would ignore dark mode.
    assert not re.findall(r"#[0-9a-f]{6}\b", svg)


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_colours_meet_the_contrast_of_wcag_aa(mode):
    shades = {ink.name: luminance(getattr(ink, mode)) for ink in INKS}
    for name in ("ink", "muted", "blue", "orange", "teal", "purple", "gold"):
        low, high = sorted((shades[name], shades["paper"]))
        assert (high + 0.05) / (low + 0.05) >= 4.5, name


def test_svg_errors():
    with pytest.raises(ValueError, match="alt must say"):
        fragment('<svg viewBox="0 0 1 1"></svg>', " ")
    with pytest.raises(ValueError, match="viewBox"):
        fragment("<p>no</p>", "no")


def test_isolate_renames_ids_with_their_references():
    svg = '<path id="m1"/><use href="#m1"/><g clip-path="url(#p2)"/><clipPath id="p2"/>'
    assert isolate(svg, "f-") == (
        '<path id="f-m1"/><use href="#f-m1"/><g clip-path="url(#f-p2)"/><clipPath id="f-p2"/>'
    )


def test_log_axis_writes_plain_text():
    def paint(ax):
        ax.plot([1, 1e5], [1e-3, 1])
        log_axis(ax, "xy")

    svg = panel(paint, alt="A line")
    assert "10⁻³" in svg and "10⁵" in svg and "$" not in svg
    assert power(0) == "0"


def test_thin_keeps_the_ends():
    for logarithmic in (False, True):
        kept = thin(100_000, 300, logarithmic=logarithmic)
        assert kept[0] == 0 and kept[-1] == 99_999 and len(kept) <= 300
        assert (np.diff(kept) > 0).all()
    assert list(thin(3)) == [0, 1, 2]


def test_table_refuses_ragged_rows():
    with pytest.raises(ValueError, match="2 cells"):
        Table(header=("a", "b"), rows=(("1",),))

"""Boosted trees: how trees are grown, what each penalty does, what they explain, what they cost."""

from drivetrain.gallery.page.section import Section

SECTION = Section(
    title="Boosted trees",
    paragraph="Small trees, each fitted to what those before it got wrong, still win most contests "
    "on tables. XGBoost's algorithm fits them to the first and second derivatives of any loss. "
    "Here it is in plain Python on whole-number histograms: the same model bits for any number of "
    "threads, XGBoost's own files both ways, exact explanations. The delays of real flights show "
    "how columns are cut, what each penalty does to a tree, and what a model of them has learnt.",
    figures={
        "Where columns are cut": "boosting_figures.sketch",
        "Equal trees": "boosting_figures.equal",
        "Penalties": "boosting_figures.regularisers",
        "Ways to grow": "boosting_figures.methods",
        "What moves a delay": "boosting_figures.explained",
        "Own losses and long tables": "boosting_figures.outside",
        "Speed": "boosting_figures.speed",
    },
    timed=("Speed",),
)

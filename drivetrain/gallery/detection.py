"""Detection mAP: what the number means, why protocols differ, and what computing it costs."""

from drivetrain.gallery.page.section import Section

SECTION = Section(
    title="Detection mAP",
    paragraph="How good is a detector? Mean average precision is the area under precision against "
    "recall, averaged over classes; VOC, COCO, LVIS and others each count it differently. Here one "
    "set of overlaps feeds all of them, bit-equal to pycocotools where it applies. Two honest "
    "detectors are trained on the spot to find real handwritten digits in composed scenes, and "
    "the figures show why protocols disagree on them, in parts that sum exactly.",
    figures={
        "Three interpolations": "detection_figures.interpolations",
        "Gap between protocols": "detection_figures.waterfall",
        "Twelve numbers": "detection_figures.twelve",
        "Kinds of errors": "detection_figures.errors",
        "A or B": "detection_figures.paired",
        "Speed": "detection_figures.speed",
        "Files not in order": "detection_figures.bad_input",
    },
    timed=("Speed",),
)

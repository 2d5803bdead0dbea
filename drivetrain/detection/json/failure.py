"""What is wrong with a JSON text, in words and with its place."""

from drivetrain.detection.json.source import Source

_EXPECTED = {
    1: "a value",
    2: "a comma or a closing bracket",
    3: "a key in double quotes",
    4: "a colon",
    5: "a number as JSON writes them",
    6: "no control character inside a string",
    7: "one of JSON's escapes",
    8: "at most 500 nested brackets",
}
END_OF_TEXT = "nothing but white space to the end"
OPENING = "[ or {"
OBJECT = "an object"


class BrokenJson(ValueError):
    """A text that is not JSON, or that is cut short."""


def broken(source: Source, place: int, expected: int | str) -> BrokenJson:
    """Return the error for the byte at ``place``.

    Args:
        source: The file.
        place: Position of the first byte that is wrong.
        expected: What should be there, in words or as the kernels number it.
    """
    wanted = expected if isinstance(expected, str) else _EXPECTED[expected]
    size = len(source.data)
    if place >= size:
        return BrokenJson(
            f"{source.name}: expected {wanted}, the file ends at byte {size}: it is cut short."
        )
    got = f"found {bytes(source.data[place : place + 1])!r} at byte {place}"
    if not source.is_closed:
        got += f" of {size}, the last of which is no closing bracket: it is cut short"
    return BrokenJson(f"{source.name}: expected {wanted}, {got}.")

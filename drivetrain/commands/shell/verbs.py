"""Which commands and verbs there are, read from the sources without importing them."""

import ast

from drivetrain.core.rooms import PACKAGE, method_names, module_names


def house_commands() -> list[str]:
    """Return the commands that belong to no method."""
    return [name for name in module_names("commands") if name not in method_names()]


def verbs(module: str) -> dict[str, str]:
    """Return a command module's verbs and what each does, read from its source.

    A verb is a public class with a ``run`` method; its name in the shell is the class's in
    kebab case, its description the first line of the docstring.
    """
    tree = ast.parse((PACKAGE / "commands" / f"{module}.py").read_text(encoding="utf8"))
    found = {}
    for node in tree.body:
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
            continue
        if any(isinstance(item, ast.FunctionDef) and item.name == "run" for item in node.body):
            found[node.name] = (ast.get_docstring(node) or "").partition("\n")[0]
    return found


def kebab(name: str) -> str:
    """Return a class name as a word of the shell: ``QuickSummary`` is ``quick-summary``."""
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")

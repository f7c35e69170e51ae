"""Python's standard library: a docstring's first sentence names its function.

SPDX-License-Identifier: MIT
"""
import ast
import inspect
import warnings

import corpus

LEAST_LINES, MOST_LINES, LEAST_WORDS = 3, 150, 5


def query(node, lines):
    """The query of a function, or None where its docstring is no sentence, or shares a line with code."""
    doc = node.body[0].value if isinstance(node.body[0], ast.Expr) else None
    if not isinstance(doc, ast.Constant) or not isinstance(doc.value, str) or len(node.body) < 2:
        return None
    text = corpus.sentence(inspect.cleandoc(doc.value).split("\n\n")[0])
    first, last = doc.lineno, doc.end_lineno
    alone = first > node.lineno and node.body[1].lineno > last and lines[last - 1].rstrip().endswith(('"""', "'''", '"', "'"))
    if not alone or not corpus.fits(text or "-", LEAST_WORDS) or "->" in text or ">>>" in text or "::" in text:
        return None
    size = sum(1 for line in range(node.lineno, node.end_lineno + 1) if lines[line - 1] and not first <= line <= last)
    return corpus.Query("docstring", text, node.lineno, node.end_lineno, [(first, last)]) if LEAST_LINES <= size <= MOST_LINES else None


def queries(lines):
    """Of every function; none where this Python does not read the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse("\n".join(lines))
        except (SyntaxError, ValueError):
            return []
    functions = (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return [one for one in (query(node, lines) for node in functions) if one]


def read(tree):
    root = tree / "usr" / "lib" / "python3.11"
    for path in sorted(root.rglob("*.py")):
        if path.is_symlink() or not path.is_file():
            continue
        yield corpus.Text(str(path.relative_to(root)), corpus.lines_of(path.read_bytes()), queries)

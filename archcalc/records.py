"""`NamedTuple`, as `typing` has it, of classes whose annotations stay text.

`typing.NamedTuple` compiles every annotation that is text, to look whether it may be a type; with some 70 small classes
behind a static command that is a twentieth of what the command takes. Nothing here asks for more than the names.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple  # noqa: PLC0414  # exported
else:
    from collections import namedtuple

    class _Named(type):
        def __new__(cls, name: str, _bases: tuple[type, ...], body: dict[str, object]) -> type:
            fields = body.get("__annotations__", {})
            defaults = [body[field] for field in fields if field in body]
            made = namedtuple(name, fields, defaults=defaults, module=body["__module__"])
            made.__annotations__ = made.__new__.__annotations__ = fields
            for key in body.keys() - fields.keys() - {"__module__", "__annotations__"}:
                setattr(made, key, body[key])
            return made

    NamedTuple = type.__new__(_Named, "NamedTuple", (), {})

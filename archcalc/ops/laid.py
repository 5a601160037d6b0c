"""How the elements of a value lie in one that is made of it by moving elements alone, whatever calls moved them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..records import NamedTuple
from .shapes import Shape

SPREAD = -1  # the axis of what is repeated


class Atom(NamedTuple):
    """So many elements of an axis of the source, `stride` apart; of the axis `SPREAD` the same one again."""

    axis: int
    size: int
    stride: int = 1


Group = tuple[Atom, ...]  # an axis of the value: the first atom changes most slowly


class Laid(NamedTuple):
    """A value as the axes of its `source`: an axis a group of atoms, and where each axis of the source begins. `factor`
    is what all elements were multiplied with."""

    source: Shape
    groups: tuple[Group, ...]
    start: tuple[int, ...]
    factor: float = 1.0

    @property
    def size(self) -> Shape:
        return tuple(prod(atom.size for atom in group) for group in self.groups)

    def viewed(self, size: Shape) -> Laid | None:
        """The same elements in their order as another size, where that cuts no axis unevenly."""
        rest = [atom for group in self.groups for atom in group][::-1]
        groups: list[Group] = []
        for wanted in size:
            group: list[Atom] = []
            while wanted > 1:
                if not rest:
                    return None
                atom = rest.pop()
                if wanted % atom.size == 0:
                    group.append(atom)
                    wanted //= atom.size
                elif atom.size % wanted == 0:
                    inner = atom.size // wanted
                    group.append(Atom(atom.axis, wanted, atom.stride * inner))
                    rest.append(Atom(atom.axis, inner, atom.stride))
                    wanted = 1
                else:
                    return None
            groups.append(_plain(group))
        return None if rest else self._replace(groups=tuple(groups))

    def permuted(self, order: Sequence[int]) -> Laid | None:
        """The axes in another order."""
        order = [at % len(self.groups) for at in order]
        if sorted(order) != [*range(len(self.groups))]:
            return None
        return self._replace(groups=tuple(self.groups[at] for at in order))

    def within(self, inner: Laid) -> Laid | None:
        """This value, whose source is what `inner` is laid out as, in the axes of the source of that."""
        if self.source != inner.size or any(self.start):
            return None
        groups = []
        for group in self.groups:
            found: list[Atom] = []
            for axis, size, stride in group:
                if axis == SPREAD:
                    found.append(Atom(axis, size, stride))
                    continue
                alone = inner._replace(groups=(inner.groups[axis],))
                cut = alone.viewed((self.source[axis] // (size * stride), size, stride))
                if cut is None:
                    return None
                found += cut.groups[1]
            groups.append(_plain(found))
        return inner._replace(groups=tuple(groups), factor=inner.factor * self.factor)

    def swapped(self, one: int, other: int) -> Laid | None:
        order = [*range(len(self.groups))]
        order[one], order[other] = order[other], order[one]
        return self.permuted(order)

    def taken(self, axis: int, start: int, count: int, step: int = 1) -> Laid | None:
        """Every `step`-th element of an axis, so many from one on."""
        axis %= len(self.groups)
        group = self.groups[axis]
        whole = prod(atom.size for atom in group)
        if (start, count, step) == (0, whole, 1):
            return self
        inner = prod(atom.size for atom in group[1:])
        begins = [*self.start]
        if count == 1:
            kept: Group = ()
            for atom in group[::-1]:
                start, place = divmod(start, atom.size)
                begins[atom.axis] += place * atom.stride if atom.axis != SPREAD else 0
        elif step == 1 or inner == 1:
            if start % inner or count % inner or group[0].axis == SPREAD:
                return None
            first = group[0]
            begins[first.axis] += start // inner * first.stride
            kept = _plain([Atom(first.axis, count // inner, first.stride * step), *group[1:]])
        else:
            return None
        return self._replace(groups=(*self.groups[:axis], kept, *self.groups[axis + 1 :]), start=tuple(begins))

    def without(self, axis: int) -> Laid:
        """Without an axis of one element."""
        axis %= len(self.groups)
        return self._replace(groups=(*self.groups[:axis], *self.groups[axis + 1 :]))

    def spread(self, size: Shape) -> Laid | None:
        """Axes of one element repeated up to a size."""
        more = len(size) - len(self.groups)
        groups = ((),) * more + self.groups
        found: list[Group] = []
        for group, wanted in zip(groups, size, strict=False):
            has = prod(atom.size for atom in group)
            if wanted not in (has, -1) and has != 1:
                return None
            found.append(group if wanted in (has, -1) else (Atom(SPREAD, wanted, 0),))
        return self._replace(groups=tuple(found)) if more >= 0 else None

    def repeated(self, axis: int, times: int) -> Laid:
        """Each element of an axis several times, one after the other."""
        axis %= len(self.groups)
        group = _plain([*self.groups[axis], Atom(SPREAD, times, 0)])
        return self._replace(groups=(*self.groups[:axis], group, *self.groups[axis + 1 :]))


def whole(size: Shape) -> Laid:
    """A value as itself."""
    return Laid(tuple(size), tuple(_plain([Atom(axis, n)]) for axis, n in enumerate(size)), (0,) * len(size))


def merged(groups: Sequence[Group]) -> Group:
    """Several axes as one."""
    return _plain([atom for group in groups for atom in group])


def _plain(group: Sequence[Atom]) -> Group:
    """Atoms that follow each other evenly as one, and none of a single element."""
    found: list[Atom] = []
    for atom in group:
        last = found[-1] if found else None
        if atom.size == 1:
            continue
        if last is not None and last.axis == atom.axis != SPREAD and last.stride == atom.size * atom.stride:
            found[-1] = Atom(atom.axis, last.size * atom.size, atom.stride)
        else:
            found.append(atom)
    return tuple(found)

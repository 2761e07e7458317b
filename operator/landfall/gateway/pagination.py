"""Pages of a list: by offset, or by cursor, an opaque text for the position after the last page."""

from __future__ import annotations

import base64
import binascii
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field

from landfall.gateway.errors import ProblemError
from landfall.gateway.requests import Body

_Item = TypeVar("_Item")
Place = tuple[str, str]
Object = dict[str, Any]
Cursor = Annotated[str, Field(max_length=500, json_schema_extra={"format": "cursor"})]


class Pagination(BaseModel):
    """The position of the next page, by offset or by cursor."""

    total: int = Field(description="Total number of objects.")
    limit: int
    offset: int
    has_more: bool
    next_cursor: str | None


class Paged(Body):
    """The requested page."""

    limit: int = Field(default=20, ge=1, le=100)
    offset: int = Field(default=0, ge=0, le=1_000_000)
    cursor: Cursor = Field(default="", description="Cursor of the next page, from the previous page. Alternative to an offset.")

    def part(
        self, ordered: Sequence[_Item], place: Callable[[_Item], Place], *, falling: bool = True
    ) -> tuple[list[_Item], Pagination]:
        """The requested page of a sorted list, and the position of the next page."""
        offset = 0 if self.cursor else self.offset
        items, following = page(ordered, place, self.limit, self.cursor, offset=offset, falling=falling)
        more = following is not None
        return items, Pagination(total=len(ordered), limit=self.limit, offset=self.offset, has_more=more, next_cursor=following)


@dataclass(frozen=True, slots=True)
class Ordering:
    """A filter and an order, and a text that is the same for the same request."""

    words: str
    takes: Callable[[Object], bool]
    place: Callable[[Object], Place]

    def sort(self, objects: Iterable[Object]) -> list[Object]:
        """The filtered objects, in ascending order."""
        return sorted(filter(self.takes, objects), key=self.place)


def page(
    ordered: Sequence[_Item],
    place: Callable[[_Item], Place],
    limit: int,
    cursor: str,
    *,
    offset: int = 0,
    falling: bool = True,
) -> tuple[list[_Item], str | None]:
    """The page after a cursor or an offset, and the cursor of the next page, if there is one. Objects added meanwhile do not shift pages."""
    if falling:
        last = (bisect_left(ordered, _read(cursor), key=place) if cursor else len(ordered)) - offset
        items = list(ordered[max(last - limit, 0) : max(last, 0)])[::-1]
        more = last > limit
    else:
        first = (bisect_right(ordered, _read(cursor), key=place) if cursor else 0) + offset
        items = list(ordered[first : first + limit])
        more = first + limit < len(ordered)
    return items, _encode(place(items[-1])) if more else None


def _encode(place: Place) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def _read(cursor: str) -> Place:
    try:
        moment, name = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, TypeError, UnicodeError) as error:
        raise ProblemError(400, "invalid_request", "invalid cursor", field="cursor") from error
    return str(moment), str(name)

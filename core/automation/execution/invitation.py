"""A meeting as an invitation that calendars understand (iCalendar, RFC 5545; by mail, RFC 6047)."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

MEETING = timedelta(minutes=30)


def invitation(
    *, uid: UUID, at: datetime, made_at: datetime, title: str, text: str, organizer: tuple[str, str],
    guests: list[tuple[str, str]],
) -> str:  # fmt: skip
    """`organizer` and `guests`: name and address. The same `uid` is the same meeting, however often it arrives."""
    from icalendar import Calendar, Event, vCalAddress

    event = Event()
    event.add("uid", f"{uid}@salesedge")
    event.add("sequence", 0)
    event.add("dtstamp", made_at)
    event.add("dtstart", at)
    event.add("dtend", at + MEETING)
    event.add("summary", title)
    event.add("description", text)
    event.add("status", "CONFIRMED")
    for role, (name, address) in [("organizer", organizer), *(("attendee", guest) for guest in guests)]:
        who = vCalAddress(f"mailto:{address}")
        who.params["CN"] = name
        if role == "attendee":
            who.params["RSVP"] = "TRUE"
        event.add(role, who)
    calendar = Calendar()
    calendar.add("prodid", "-//SalesEdge AI//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "REQUEST")
    calendar.add_component(event)
    raw: bytes = calendar.to_ical()
    return raw.decode("utf-8")

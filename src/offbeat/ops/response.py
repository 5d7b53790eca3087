"""Renders a page, or only the part of it that changes when the open page asks for news."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.shortcuts import render
from django.utils import timezone

from offbeat.ops.access import is_refresh

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest, HttpResponse


def show(request: HttpRequest, template: str, values: Mapping[str, Any], status: int = 200) -> HttpResponse:
    """Render a page; `every` among the values is after how many seconds it asks for news, without it never."""
    news = is_refresh(request)
    frame = "offbeat/ops/news.html" if news else "offbeat/ops/page.html"
    here = {
        "frame": frame,
        "clock": timezone.now(),
        "here": request.get_full_path(),
        "is_local": settings.DEBUG,
    }
    return render(request, template, {**here, **values}, status=status)

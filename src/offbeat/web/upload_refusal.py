"""What happens to files that are sent to a path that takes none: nothing is written anywhere."""

from __future__ import annotations

import logging
from typing import Any, NoReturn

from django.core.files.uploadhandler import FileUploadHandler
from django.http.multipartparser import MultiPartParserError

logger = logging.getLogger(__name__)


class UploadRefusal(FileUploadHandler):
    """Answers 400 as soon as the name of a file arrives."""

    def new_file(self, *args: Any, **kwargs: Any) -> NoReturn:
        path = getattr(self.request, "path_info", "this path")
        text = f"{path} accepts no files: OFFBEAT_UPLOADS lists the paths that do"
        logger.warning("%s", text)  # Django's line of the refusal does not say why
        raise MultiPartParserError(text)

"""What happens to files that are sent to a path that takes none: nothing is written anywhere."""

from __future__ import annotations

from typing import Any, NoReturn

from django.core.files.uploadhandler import FileUploadHandler
from django.http.multipartparser import MultiPartParserError


class UploadRefusal(FileUploadHandler):
    """Answers 400 as soon as the name of a file arrives."""

    def new_file(self, *args: Any, **kwargs: Any) -> NoReturn:
        path = getattr(self.request, "path_info", "this path")
        raise MultiPartParserError(f"{path} takes no files: OFFBEAT_UPLOADS names those that do")

"""What every group of options is: frozen, closed, and happy to be left empty."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class Section(BaseModel):
    """A frozen group of options. An unknown key is refused; a section within that is ``null`` has its defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False)

    @model_validator(mode="before")
    @classmethod
    def _drop_empty_sections(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {key: value for key, value in data.items() if value is not None or not cls._is_section(key)}

    @classmethod
    def _is_section(cls, key: Any) -> bool:
        known = cls.model_fields.get(key) if isinstance(key, str) else None
        return known is not None and (isinstance(known.default, Section) or key == "checks")

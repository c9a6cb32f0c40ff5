"""`Config`, the flat view of the options: what was asked for, by names that a user types.

    config = Config(minutes=5, layout="luong")        asked for: checked at once, may be incomplete
    config.given, config.layout, config.to_dict()     what was given; any option, or its default
    config.replace(seed=2, minutes=None)              None: as if it had not been given
    config.fit_to("traditional")                      without what that architecture does not have
    build_config(layer, layer, origin="options.toml") several layers, later ones winning

TOML keys, flags and the parameters of the estimator are this view. It is made from the three parts
in options.py, and has no option of its own.
"""

import dataclasses
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from foveate.errors import ConfigError, did_you_mean
from foveate.options import (
    ARCHITECTURES,
    NEEDS_ATTENTION,
    PARTS,
    Architecture,
    AttendingOptions,
    AttentionOptions,
    ModelOptions,
    Options,
    TextOptions,
    TrainingOptions,
    find_architecture,
    hints,
    list_values,
    pick_part,
    refuse_unknown,
    shorten,
)
from foveate.ranges import check_value


@dataclass(frozen=True)
class FlatField:
    """One option in the flat view.

    Attributes:
        annotation: type and range.
        default: None where it is found from the data.
        part: `TextOptions`, `ModelOptions` or `TrainingOptions`.
    """

    annotation: Any
    default: Any
    part: type[Any]


@lru_cache(maxsize=1)
def flat_fields() -> dict[str, FlatField]:
    """Return every option by name: architecture, then those of text, models and training."""
    flat = {"architecture": FlatField(Architecture, "attention", ModelOptions)}
    for kind in PARTS:
        part = ModelOptions if issubclass(kind, ModelOptions) else kind
        for field in dataclasses.fields(kind):
            default = None if field.default is dataclasses.MISSING else field.default
            flat.setdefault(field.name, FlatField(hints(kind)[field.name], default, part))
    return flat


def field_names() -> tuple[str, ...]:
    """Return the names of all options, in their order."""
    return tuple(flat_fields())


def names_without(architecture: str) -> list[str]:
    """Return the options that an architecture does not have.

    Example:
        >>> "layout" in names_without("transformer"), "copy" in names_without("transformer")
        (True, False)
    """
    own = hints(ARCHITECTURES[architecture])
    others = {name: None for kind in ARCHITECTURES.values() for name in hints(kind)}
    lacking = [name for name in others if name not in own]
    attends = issubclass(ARCHITECTURES[architecture], AttendingOptions)
    return lacking if attends else [*lacking, *NEEDS_ATTENTION]


class Config:
    """What was asked for: options by their flat names, checked at once.

    An option that was not given has its default as an attribute; None means that it is found from
    the data. Two configurations are equal when all their options are.

    Args:
        options: any of the names in `field_names()`. None is the same as not given.

    Attributes:
        given: the options that were given, and nothing else.

    Raises:
        ConfigError: names every unknown option, every value out of range, every option that the
            architecture does not have, and options that do not go together.

    Example:
        >>> config = Config(layout="luong", dropout=0.1)
        >>> config.layout, config.cell, config.hidden_size
        ('luong', 'lstm', None)
    """

    given: Mapping[str, Any]

    def __init__(self, **options: Any) -> None:
        given, problems = check_options(options)
        if problems:
            raise ConfigError("options: " + "; ".join(problems))
        self.__dict__["given"] = given

    @classmethod
    def from_parts(cls, *parts: Any) -> "Config":
        """Return the configuration that asks for exactly what resolved parts have."""
        given = {name: value for part in parts for name, value in list_values(part).items()}
        return cls.from_record(given)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Config":
        """Return the configuration that asks for what was found and done, by flat names.

        Of minutes and updates it keeps the updates, and what is of no use for the architecture is
        left out.

        Raises:
            ConfigError: it is not what a run can have done.
        """
        lacking = names_without(record.get("architecture", AttentionOptions.architecture))
        given = {name: value for name, value in record.items() if name not in lacking}
        if given.get("max_updates") is not None:
            given.pop("minutes", None)
        return cls(**given)

    def __getattr__(self, name: str) -> Any:
        fields = flat_fields()
        if name not in fields:
            raise AttributeError(f"there is no option {name!r}{did_you_mean(name, fields)}")
        return self.given.get(name, fields[name].default)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a Config does not change: make another with replace({name}=...)")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Config) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(tuple(self.to_dict().items()))

    def __repr__(self) -> str:
        return f"Config({', '.join(f'{name}={value!r}' for name, value in self.given.items())})"

    def to_dict(self) -> dict[str, Any]:
        """Return all options by name, None for what is found from the data."""
        return {name: getattr(self, name) for name in field_names()}

    def replace(self, **changes: Any) -> "Config":
        """Return a configuration with other values; None takes one away.

        Raises:
            ConfigError: as a new one.
        """
        return Config(**{**self.given, **changes})

    def fit_to(self, architecture: Architecture) -> "Config":
        """Return the same for another architecture, without the options that it does not have.

        Example:
            >>> Config(layout="luong", cell="gru").fit_to("traditional")
            Config(cell='gru', architecture='traditional')
        """
        lacking = names_without(architecture)
        kept = {name: value for name, value in self.given.items() if name not in lacking}
        return Config(**{**kept, "architecture": architecture})


def check_options(
    options: Mapping[str, Any], show: Callable[[str], str] = shorten
) -> tuple[dict[str, Any], list[str]]:
    """Check options by their flat names; return those that are good, and what is wrong.

    Args:
        options: the options.
        show: how a message calls an option.
    """
    fields, good, problems = flat_fields(), {}, []
    for name, value in options.items():
        if name not in fields:
            problems.append(f"{show(name)}: unknown option{did_you_mean(name, fields)}")
        elif value is not None:
            try:
                good[name] = check_value(fields[name].annotation, value)
            except ValueError as error:
                problems.append(f"{show(name)}: {error}")
    return good, [*problems, *_find_conflicts(good, show)]


def _find_conflicts(given: Mapping[str, Any], show: Callable[[str], str]) -> list[str]:
    """Return what does not go together, of options that are good one by one."""
    problems = _find_useless(given, show)
    if "minutes" in given and "max_updates" in given:
        problems.append(f"{show('minutes')} and {show('max_updates')}: give one of the two")
    if given.get("input_feeding") and given.get("layout") != "luong":
        layout = given.get("layout", AttentionOptions.layout)
        problems.append(f"{show('input_feeding')}: only with layout luong, not {layout}")
    if given.get("attention_module") and given.get("attention_score", "additive") != "additive":
        problems.append(
            f"{show('attention_score')}: goes without attention_module, which scores by itself"
        )
    if given.get("copy") and given.get("lexicon"):
        problems.append(
            f"{show('lexicon')}: goes without copy: a token is either copied or looked up"
        )
    if given.get("distill") and given.get("models", 1) == 1:
        problems.append(
            f"{show('distill')}: needs several models to learn from: add models, for instance 5"
        )
    return problems


def _find_useless(given: Mapping[str, Any], show: Callable[[str], str]) -> list[str]:
    architecture = given.get("architecture", AttentionOptions.architecture)
    lacking = names_without(architecture)
    return [
        f"{show(name)}: the {architecture} {'model ' * (architecture != 'transformer')}has no such "
        f"option ({_describe_owners(name)}): leave it out, or choose another architecture"
        for name in given
        if name in lacking
    ]


def owners(name: str) -> list[str]:
    """Return the architectures that an option is of use for.

    Example:
        >>> owners("cell")
        ['attention', 'traditional']
    """
    return [kind for kind in ARCHITECTURES if name not in names_without(kind)]


def _describe_owners(name: str) -> str:
    having = owners(name)
    return f"{' and '.join(having)} {'have' if len(having) > 1 else 'has'}"


def build_config(
    *layers: Mapping[str, Any], origin: str = "options", show: Callable[[str], str] = shorten
) -> Config:
    """Merge layers of options, later ones winning, and check all of them at once.

    Args:
        layers: dictionaries of option name to value.
        origin: what to call the source of the options in an error.
        show: how a message calls an option.

    Raises:
        ConfigError: names every unknown option and every value out of range.

    Example:
        >>> build_config({"dropout": 0.1}, {"dropout": 0.2}).dropout
        0.2
    """
    merged = {name: value for layer in layers for name, value in layer.items()}
    good, problems = check_options(merged, show)
    if problems:
        raise ConfigError(f"{origin}: " + "; ".join(problems))
    return Config(**good)


def restore_options(values: Mapping[str, Any], origin: str) -> Options:
    """Rebuild the options that `Options.to_dict` gave.

    Raises:
        ConfigError: an option is missing, unknown or out of range.
    """
    kind = find_architecture(values.get("architecture"), origin)
    if unknown := values.keys() - flat_fields().keys():
        refuse_unknown(unknown, origin)
    return Options(
        text=pick_part(TextOptions, values, origin),
        model=pick_part(kind, values, origin),
        training=pick_part(TrainingOptions, values, origin),
    )


def read_config(path: str | Path) -> dict[str, Any]:
    """Read a TOML file of options: flat, or in the tables that a bundle's `config.toml` has.

    Raises:
        ConfigError: the file cannot be read or is not TOML.
    """
    values = read_tables(path)
    names = [name for name in ("text", "model", "training") if isinstance(values.get(name), dict)]
    tables = [values.pop(name) for name in names]
    return {name: value for table in (*tables, values) for name, value in table.items()}


def read_tables(path: str | Path) -> dict[str, Any]:
    """Read a TOML file as it is.

    Raises:
        ConfigError: the file cannot be read or is not TOML.
    """
    try:
        return parse_toml(Path(path).read_bytes(), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: cannot read it: {error.strerror}") from None


def parse_toml(data: bytes, origin: str) -> dict[str, Any]:
    """Return the values of a TOML text.

    Raises:
        ConfigError: it is not TOML.
    """
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{origin}: not a TOML file of options: {error}") from None
    except RecursionError:
        raise ConfigError(f"{origin}: not a TOML file of options: nested too deeply") from None
    except ValueError:  # a number of thousands of digits
        raise ConfigError(f"{origin}: not a TOML file of options: a number is too long") from None


def format_toml(values: Mapping[str, Any]) -> str:
    r"""Write options as lines of TOML; those that are None are left out.

    Example:
        >>> format_toml({"cell": "gru", "copy": True, "minutes": None})
        'cell = "gru"\ncopy = true\n'
    """
    lines = []
    for name, value in values.items():
        if value is not None:
            text = f'"{value}"' if isinstance(value, str) else str(value).lower()
            lines.append(f"{name} = {text}\n")
    return "".join(lines)

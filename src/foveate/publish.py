"""A model put on the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from foveate.bundle import load_bundle
from foveate.hub import import_hub, is_of_model, parse_name, tell_of_hub


def push_to_hub(model: str | Path, name: str, *, is_private: bool = False) -> str:
    """Put a model on the hub, and return the address of its page.

    Needs a token of the hub: `hf auth login`, or the variable HF_TOKEN. The model carries texts of
    yours (see `foveate.personal`): an export with `no_examples=True` has none.

    Args:
        model: folder of a model.
        name: `USER/NAME`; it is made where it is not there.
        is_private: make it for yourself only.

    Raises:
        BundleError: the folder is no model, or the hub refuses.
        ConfigError: the name is not of that form.
        MissingExtraError: huggingface-hub is not installed.
    """
    place = f"hf://{name.removeprefix('hf://')}"
    repository, _ = parse_name(place)
    load_bundle(model)  # only a model that is whole
    hub = import_hub()
    with tell_of_hub(place):
        hub.create_repo(repository, exist_ok=True, private=is_private or None)
        done = hub.upload_folder(
            repo_id=repository,
            folder_path=model,
            allow_patterns=[file for file in _list_files(Path(model)) if is_of_model(file)],
            commit_message="A Foveate model",
        )
    return str(done.repo_url)


def _list_files(folder: Path) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()]

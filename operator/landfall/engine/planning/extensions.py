"""Extensions of the source that migrated objects need: there already, created by the run, or a blocker."""

from __future__ import annotations

from landfall.engine.model.identifiers import quoted
from landfall.engine.model.plan import Severity, Stage
from landfall.engine.model.target_facts import TargetFacts
from landfall.engine.planning.tables import Draft


def extensions(draft: Draft, target: TargetFacts) -> None:
    """Add the statements that create extensions, and a risk for each extension that the target lacks or has in another schema."""
    needed = draft.catalog.extensions
    called_extensions = [
        n for n in draft.catalog.called_extensions if n not in needed and n in target.trusted_extensions - target.extensions
    ]
    for name in (*needed, *called_extensions):
        schema = _schema(draft, name)
        if name in target.extensions:
            _other_schema(draft, target, name, schema)
        elif name in target.trusted_extensions and draft.existing is None:
            draft.enter(schema if schema in draft.catalog.schemas else "")
            for sql in draft.target.ddl.create_extension(name, schema):
                draft.add_statement(Stage.PREPARE, "extension", name, "", sql, describes=name, essential=True)
            draft.enter("")
            text = (
                f"the target lacks the extension {name}; the run creates it in schema {schema}, and a rollback does not drop it"
            )
            draft.add_risk(Severity.INFO, "Extension", name, text, "No action is required.")
        elif name in target.available_extensions:
            _lacking(draft, name, f"Run CREATE EXTENSION {quoted(name)} on the target.")
        else:
            _lacking(draft, name, f"Install the packages of {name} on the target's server, then run CREATE EXTENSION.")
    for name, _ in draft.catalog.installed_extensions:
        if name not in {*needed, *called_extensions, *target.extensions}:
            probably = name in draft.catalog.called_extensions
            reason = "the text of a function seems to call it" if probably else "no migrated object depends on it"
            severity = Severity.MEDIUM if probably else Severity.INFO
            advice = f"Run CREATE EXTENSION {quoted(name)} on the target if it is used."
            draft.add_risk(severity, "Extension", name, f"the target lacks the extension {name}; {reason}", advice)


def _schema(draft: Draft, name: str) -> str:
    """The schema that definitions of the source name, or the target schema for one that is migrated into it."""
    schema = dict(draft.catalog.installed_extensions).get(name, "")
    if draft.catalog.apart and schema:
        return schema
    return draft.options.target_schema if schema in {"", *draft.catalog.schemas} else schema


def _lacking(draft: Draft, name: str, advice: str) -> None:
    draft.add_risk(Severity.BLOCKER, "Extension", name, f"the target lacks the extension {name}", advice)


def _other_schema(draft: Draft, target: TargetFacts, name: str, schema: str) -> None:
    existing_schema = target.extension_schemas.get(name, schema)
    if draft.catalog.apart and {existing_schema, schema} <= set(draft.catalog.schemas):
        return
    if existing_schema in {schema, draft.options.target_schema} and (
        existing_schema == schema or schema in draft.catalog.schemas
    ):
        return
    text = f"the extension {name} is in schema {existing_schema} of the target; migrated objects look for it in schema {schema}"
    advice = (
        f"Run ALTER EXTENSION {quoted(name)} SET SCHEMA {quoted(schema)} on the target, or on the source with its schema there."
    )
    draft.add_risk(Severity.BLOCKER, "Extension", name, text, advice)

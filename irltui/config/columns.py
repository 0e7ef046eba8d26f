"""Which columns of the demonstrations hold what: the table `data.columns`."""

from __future__ import annotations

from irltui.config.section import Section


class ColumnsSection(Section):
    prompt: str = "auto"
    """Column with the prompt (text, or a list of chat messages)."""
    completion: str = "auto"
    """Column with the demonstrated response."""
    messages: str = "auto"
    """Column with a whole conversation: a list of messages, JSON text, or a dialogue ("Human: ... Assistant: ...")."""
    system: str = "auto"
    """Column with a system message to put before the prompt (system, system_prompt); off reads none."""
    input: str = "auto"
    """Column with text that belongs to the prompt, on a line below it (input, context); off reads none."""
    history: str = "auto"
    """Column with the turns before the prompt: messages, or [question, answer] pairs; off reads none."""
    tools: str = "auto"
    """Column with the tools that the chat template is given (tools, functions); off reads none."""
    label: str = "auto"
    """Column that is false if a completion is no demonstration (label, if it is true or false); off reads none."""

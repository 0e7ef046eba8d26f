"""A chat template for base models: a line break between prompt and answer."""

LINE_TEMPLATE = (
    '{% for message in messages %}{{ message.content }}{% if message.role != "assistant" %}{{ "\\n" }}{% endif %}'
    "{% endfor %}"
)

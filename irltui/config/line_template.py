"""The Jinja line that most base models want for a template: a line break between prompt and answer."""

LINE_TEMPLATE = (
    '{% for message in messages %}{{ message.content }}{% if message.role != "assistant" %}{{ "\\n" }}{% endif %}'
    "{% endfor %}"
)

"""Cases made of what an attacker, or an unlucky app, can put into production text: harmless in every export."""

from typing import Any

from exporters.dataset.case import Case, Context, Expectation, Source

CANARY = "canary-5f2d"
"""The value of a variable, or the content of a file, that must not appear in what a tool makes of a case."""
CANARY_VARIABLE = "SIDECHECK_CANARY"
MARKER = "executed"
"""The file that hostile code makes where it runs, in the folder that the tool runs in."""
EVIL_SCRIPT = "evil.js"
TRAPS = {
    EVIL_SCRIPT: f"require('fs').writeFileSync('{MARKER}', ''); module.exports = () => '{CANARY}';",
    "evil.mjs": f"import fs from 'fs'; fs.writeFileSync('{MARKER}', ''); export default () => '{CANARY}';",
    "evil.py": f"open('{MARKER}', 'w').close()\ndef get_var(*_):\n    return {{'output': '{CANARY}'}}\n",
    "secret.txt": CANARY,
    "secret.json": f'["{CANARY}"]',
    "secret.yaml": f"- {CANARY}\n",
}
"""Files that a tool which takes text for a reference would load."""

_CODE = f"require('fs').writeFileSync('{MARKER}','')"
TEXTS = {
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "sum": "{{ 7 * 7 }} {{7*7}} {%if 1%}x{%endif%} {# gone #} ${7*7} #{7*7} <%= 7*7 %>",
    "environment": f"{{{{ env.{CANARY_VARIABLE} }}}} ${{{CANARY_VARIABLE}}} ${CANARY_VARIABLE} %{CANARY_VARIABLE}%",
    "environment alone": f"{{{{env.{CANARY_VARIABLE}}}}}",
    "process": '{{ range.constructor("return process.mainModule.' + _CODE + '")() }}',
    "process in a tag": '{% set x = range.constructor("return process.mainModule.' + _CODE + '")() %}{{ x }}',
    "raw": "{% endraw %}{{ 7 * 7 }}{% raw %}",
    "raw, open": "{% raw %}{{ 7 * 7 }}",
    "half open": "{{ 7 * 7",
    "braces": "{{{{ }}}} {{{#}#}}} {#}{%} {{'{'}} { { } } {{ '{' }}",
    "filter": "{{ 'x' | upper }} {{ cycler }} {{ question }} {{ case.id }}",
    "file, js": f"file://{EVIL_SCRIPT}",
    "file, mjs": "file://evil.mjs",
    "file, py": "file://evil.py",
    "file, text": "file://secret.txt",
    "file, json": "file://secret.json",
    "file, yaml": "file://secret.yaml",
    "file, any": "file://*.txt",
    "file, passwd": "file:///etc/passwd",
    "file, letters": "FILE://secret.txt",
    "file, spaces": "  file://secret.txt",
    "package": "package:promptfoo:evil",
    "python": "python:evil.py",
    "command": "exec:touch executed; `touch executed` $(touch executed)",
    "data": "data:text/plain;base64,eA==",
    "formula": '=HYPERLINK("http://127.0.0.1/?"&A1,"x") +1 -1 @SUM(1)',
    "terminal": "\x1b[2J\x1b]0;title\x07\x9b31m\x08\x7f",
    "direction": "\u202egnp.exe\u2066\u200f\u061c",
    "nul": "a\x00b",
    "surrogate": "\ud800 \udfff",
    "line ends": "a\u2028b\u2029c\x85d\re\r\nf\x0b\x0cg\x1e",
    "yaml": "- a: &x *x !!python/object/apply:os.system ['touch executed'] # no | > \n--- \n... : ? %TAG ! !",
    "yaml words": "no",
    "number": "0o17",
    "date": "2001-01-01",
    "not characters": "\ufffe\uffff\ufeff\U0001ffff \U0001f600",
    "format": "{0} {x} %s %(x)s {input} $input",
    "quotes": "'\"\\`\\n\\u0041 \\",
    "media": "@@@langfuseMedia:type=image/png|id=x|source=file@@@ data:image/png;base64,aGk=",
    "object": '{"__proto__": {"x": 1}, "lc": 1, "type": "constructor", "$ref": "file:///etc/passwd"}',
    "empty": "",
}


def a_case(number: int = 1, **parts: Any) -> Case:
    """A case; parts of its expectation are given by their own names."""
    expectation = {key: parts.pop(key) for key in list(parts) if key in Expectation.__dataclass_fields__}
    defaults = {
        "id": f"case-{number}",
        "fingerprint": "f" * 16,
        "source": Source(f"{number:032x}", "shop", "gpt-4o", ("citations",)),
        "input": "How long can I return it?",
        "context": Context(documents=({"id": "kb-7", "content": "30 days"},), system="Be brief."),
        "observed_output": "60 days.",
        "expectation": Expectation(**expectation),
    }
    return Case(**{**defaults, **parts})


def hostile_case(name: str, text: str) -> Case:
    """A case that has the text wherever a text can be."""
    return Case(
        id=f"case-{name.replace(' ', '-').replace(',', '')}",
        fingerprint=text,
        source=Source(text, text, text, (text,)),
        input=text,
        context=Context(
            documents=({"id": text, "content": text, "title": text, text: text},),
            messages=({"role": "user", "content": text}, {"role": "assistant", "content": text}),
            system=text,
            tools=({"name": text, "description": text, "parameters": {"type": "object", text: text}},),
        ),
        observed_output=text,
        expectation=Expectation(
            answer=text,
            value={text: text, "list": [text]},
            json_schema={"description": text, "properties": {"x": {"enum": [text]}}},
            must_mention=(text,),
            must_not_mention=(f"not {text}",),
            relevant_documents=(text,),
            rubric=text,
            checks={"citations": {"version": "1"}, text: {"options": {text: text}}},
            expected_tool_calls=({"name": text, "arguments": {text: text}},),
            forbidden_tool_calls=(f"not {text}",),
        ),
        tags=(text,),
        split=text,
        reviewed_by=text,
        redacted=(text,),
    )


def hostile_cases() -> list[Case]:
    """One for each hostile text, and a long one."""
    return [hostile_case(name, text) for name, text in TEXTS.items()]


def long_case(size: int = 5 * 1024 * 1024) -> Case:
    """A case with an input of five megabytes."""
    return a_case(5, id="case-long", input="{{ 7 * 7 }}\u2028<b>" * (size // 15))

// Package jinja runs the part of the Jinja language that published chat templates use, with the answers of Python's Jinja2 as
// Hugging Face sets it up: trim_blocks and lstrip_blocks on, the immutable sandbox, loop controls, {% generation %},
// raise_exception, strftime_now, and a tojson that prints as json.dumps(ensure_ascii=False) does.
//
//	template text --lexer--> tokens --parser--> tree --Render(variables)--> Output{text with origins, generation ranges}
//
// Values are Go values: nil (None), bool, int64, float64, [BigInt], [taint.String], []any (list), [Tuple], [*Dict] (ordered),
// and functions. Value converts plain Go and JSON data. Text keeps its origin through every operation, so the caller can tell
// the template's own control tokens from the same bytes inside a message.
//
// Invariant: a Template is immutable; Render may be called from many goroutines at once.
// Invariant: Render ends. Steps, output bytes, text sizes, call depth and nesting are bounded by Config; templates are hostile input.
// Invariant: values are never changed by a template. Only a namespace can be written to, as in Jinja2's immutable sandbox.
//
// Deliberately absent: include, import, extends, recursive loops, autoescaping, async, line statements, custom delimiters.
//
// Sources: the Jinja2 template designer documentation, version 3.1; the chat template documentation of transformers.
package jinja

// Package grammar holds generated text to a language: a JSON Schema, a regular expression, a list of choices or an EBNF
// grammar.
package grammar

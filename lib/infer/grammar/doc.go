// Package grammar holds generated text to a language: a JSON Schema, a regular expression, a choice of texts or a grammar in
// EBNF. Before a token is sampled it says which tokens may come; the text that comes out is of the language.
package grammar

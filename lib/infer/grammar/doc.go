// Package grammar holds generated text to a language: a JSON Schema, a regular expression, a choice of texts or a grammar in
// EBNF. Before a token is sampled it says which tokens may come; the text that comes out is of the language.
//
// # Data flow
//
// A front end turns its source into a network of rules over bytes; patterns, formats and bounds of numbers are first made
// deterministic automata over characters. The network is checked: alternatives that no text can complete are removed, a rule
// that begins with itself is an error. While texts are followed, states are made on demand: a state is the set of places
// (with the stacks to return to and the turns of repetitions left) that one text can be at. A mask is found by walking the
// trie of a vocabulary's bytes along the states, once a state; states that differ only in counts no token is long enough to
// notice share it.
//
//	schema*.go keywords.go jsonvalue.go decimal.go   JSON Schema       regexp.go dfa.go runes.go   expressions, characters
//	ebnf.go choice.go                                EBNF, choices     program.go check.go         rules over bytes
//	automaton.go                                     states on demand  vocab.go maskcache.go       trie, masks by state
//	matcher.go                                       one text
//
// **Invariant:** what Mask has, Accept takes, and nothing else; a stop token is among them only where the text is complete.
//
// **Invariant:** with a vocabulary that can spell every byte (Vocab.Spells), a mask is empty only after the end.
//
// **Invariant:** tokens may be parts of characters; the text is valid UTF-8 where it is complete.
//
// **Invariant:** sources are hostile: what is too large or too ambiguous is an error (constants max…), and the memory of a
// grammar's states is bounded, begun anew when full. A text that could stand in more than 4,096 places at once ends with an
// empty mask instead.
//
// # JSON
//
// Generated JSON has one spelling for each value: no white space; members in the order in which the schema lists them, names
// that it does not list after those; in strings only ", \ and control characters are escaped (\b \f \n \r \t, else \u00xx);
// a number has up to 18 digits before the point and 17 after it, more where a bound has more, and an exponent of up to two
// digits where neither a bound nor a multiple nor the type integer is asked for. That one spelling is why minLength, pattern
// and property names are exact on bytes.
//
// Taken are type, enum, const, nullable (OpenAPI 3.0), minLength, maxLength, pattern (RE2), format (date, time, date-time,
// duration, email, hostname, ipv4, ipv6, uuid, uri; int32, int64, float, double), minimum, maximum, exclusiveMinimum and
// exclusiveMaximum (numbers, or draft 4's booleans), multipleOf, prefixItems, items, additionalItems, minItems, maxItems,
// properties, required, additionalProperties, patternProperties, propertyNames, minProperties, maxProperties,
// unevaluatedProperties (boolean), allOf, anyOf, oneOf, $ref within the schema (recursion included), $defs, $anchor.
// Annotations say nothing; any other keyword is an error, as is what cannot be kept: uniqueItems of more than one item, a
// oneOf whose alternatives can hold together, minProperties that only repeated names could reach.
//
// The language is a part of the valid values where JSON Schema leaves open what nobody wants: where properties are listed and
// nothing is said of others, there are no others (llama.cpp's and XGrammar's rule). Names that are not listed may occur
// twice.
//
// Deliberately absent: white space in JSON, look-around in expressions, not, if/then/else, contains, dependent schemas,
// left-recursive rules.
//
// Theory: Woods 1970 (recursive transition networks); Thompson 1968 (sets of places); Willard and Louf 2023,
// arXiv:2307.09702 (masks by state); Dong et al. 2024, arXiv:2411.15100 (a pushdown automaton over bytes and a token trie).
package grammar

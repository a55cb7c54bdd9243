package grammar_test

import (
	"fmt"

	"quire/lib/infer/grammar"
)

func ExampleJSONSchema() {
	g, err := grammar.JSONSchema([]byte(`{"type":"object","properties":{"city":{"type":"string"},"year":{"type":"integer","minimum":1000}},"required":["year"]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(g.Match(`{"city":"上海","year":2024}`), g.Match(`{"year":999}`))
	_, err = grammar.JSONSchema([]byte(`{"not":{"type":"null"}}`))
	fmt.Println(err)
	// Output:
	// true false
	// grammar: JSON Schema: #: the keyword "not" is not supported
}

func ExampleEBNF() {
	g, err := grammar.EBNF(`
root ::= "[" list? "]"
list ::= item ("," item)*
item ::= [0-9]+ | root`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(g.Match("[1,[2,3],[]]"), g.Match("[1,"))
	// Output: true false
}

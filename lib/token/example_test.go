package token_test

import (
	"context"
	"fmt"
	"slices"

	"quire/lib/token"
)

func Example() {
	texts := slices.Values([]string{"low lower lowest", "new newer newest", "wide wider widest"})
	t, err := token.TrainBytes(context.Background(), texts, token.TrainConfig{VocabSize: 264, Special: []string{"<|end|>"}})
	if err != nil {
		panic(err)
	}
	ids, err := t.Encode("newest<|end|>", token.Options{Special: token.Allow})
	if err != nil {
		panic(err)
	}
	var pieces []string
	for _, id := range ids {
		pieces = append(pieces, t.Piece(id))
	}
	fmt.Printf("%q\n", pieces)
	fmt.Println(t.Decode(ids), t.IsSpecial(ids[len(ids)-1]))
	// Output:
	// ["ne" "we" "st" "<|end|>"]
	// newest true
}

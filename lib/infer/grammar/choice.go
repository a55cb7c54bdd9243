package grammar

import (
	"errors"
	"fmt"
)

// Choice is the language of the given texts.
func Choice(options ...string) (*Grammar, error) {
	if len(options) == 0 {
		return nil, errors.New("grammar: a choice of nothing: give one option or more")
	}
	size := 0
	for i, o := range options {
		if o == "" {
			return nil, fmt.Errorf("grammar: option %d of the choice is empty", i)
		}
		if size += len(o); size > maxSource {
			return nil, fmt.Errorf("grammar: the choice has more than %d bytes", maxSource)
		}
	}
	b := newBuilder()
	b.rule("choice")
	alts := make([]int32, len(options))
	for i, o := range options {
		alts[i] = b.lit(o, 0)
	}
	b.rules[0].start = b.alt(alts...)
	return b.named("choice")
}

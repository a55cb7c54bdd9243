// Package arith makes exact arithmetic: sums in any number of digits, and word problems in English and Chinese with their steps, in the
// form of GSM8K (calculations marked <<48/2=24>>, the answer behind "####"), so that its grader and its training recipes apply.
//
// Invariant: a seed gives the same problems in the same order on every machine. Invariant: a problem belongs to one split, by the hash
// of its question, whatever the seed: no training set holds a question of a test set.
package arith

import (
	"fmt"
	"iter"
	"math/big"
	"math/rand/v2"
	"strings"

	"github.com/zeebo/xxh3"

	"quire/datasets"
	"quire/lib/chat"
	"quire/lib/corpus"
)

// Card describes the set.
var Card = datasets.Card{
	Name: "arith", Title: "Exact arithmetic", Licence: "Apache-2.0", Languages: []string{"en", "zh"}, Source: "made here",
	Splits: "by hash of the question: train 90 %, valid 5 %, test 5 %",
}

// Problem is a question with its steps and its one right answer.
type Problem struct {
	Kind     string // "add", "sub", "mul", "div", "word", "word-zh"
	Question string
	Solution string // steps as GSM8K writes them, ending in "#### answer"
	Answer   string
}

// Config says which problems to make.
type Config struct {
	Seed   uint64
	Kinds  []string // nil: all
	Digits int      // most digits of an operand of a sum; 0 means 4
	Split  string   // "train", "valid", "test"; "" for all
}

// Validate reports what is wrong with c.
func (c Config) Validate() error {
	for _, k := range c.Kinds {
		if makers[k] == nil {
			return fmt.Errorf("arith: no kind %q: add, sub, mul, div, word, word-zh", k)
		}
	}
	switch {
	case c.Digits < 0 || c.Digits > 1000:
		return fmt.Errorf("arith: Digits %d, want 1 to 1000", c.Digits)
	case c.Split != "" && c.Split != "train" && c.Split != "valid" && c.Split != "test":
		return fmt.Errorf("arith: Split %q, want train, valid or test", c.Split)
	}
	return nil
}

// Problems makes problems without end. It panics if c is not valid.
func Problems(c Config) iter.Seq[Problem] {
	if err := c.Validate(); err != nil {
		panic(err)
	}
	kinds := c.Kinds
	if kinds == nil {
		kinds = []string{"add", "sub", "mul", "div", "word", "word-zh"}
	}
	if c.Digits == 0 {
		c.Digits = 4
	}
	return func(yield func(Problem) bool) {
		r := rand.New(rand.NewPCG(c.Seed, 0x61726974))
		for {
			kind := kinds[r.IntN(len(kinds))]
			p := makers[kind](r, c.Digits)
			p.Kind = kind
			if c.Split != "" && datasets.Split(p.Question) != c.Split {
				continue
			}
			if !yield(p) {
				return
			}
		}
	}
}

// Document is the problem as a text to learn from.
func (p Problem) Document() corpus.Document {
	return corpus.Document{ID: fmt.Sprintf("arith/%016x", xxh3.HashString(p.Question)), Text: p.Question + "\n" + p.Solution + "\n", Source: "arith/" + p.Kind}
}

// Conversation is the problem as a dialogue of two turns.
func (p Problem) Conversation() chat.Conversation {
	return chat.Conversation{Messages: []chat.Message{{Role: chat.User, Content: p.Question}, {Role: chat.Assistant, Content: p.Solution}}}
}

var makers = map[string]func(r *rand.Rand, digits int) Problem{
	"add":     func(r *rand.Rand, d int) Problem { return sum(r, d, "+", (*big.Int).Add) },
	"sub":     func(r *rand.Rand, d int) Problem { return sum(r, d, "-", (*big.Int).Sub) },
	"mul":     func(r *rand.Rand, d int) Problem { return sum(r, d, "*", (*big.Int).Mul) },
	"div":     division,
	"word":    func(r *rand.Rand, _ int) Problem { return word(r, english) },
	"word-zh": func(r *rand.Rand, _ int) Problem { return word(r, chinese) },
}

// number has 1 to digits digits, every length as likely.
func number(r *rand.Rand, digits int) *big.Int {
	n := 1 + r.IntN(digits)
	var b strings.Builder
	for i := range n {
		low := 0
		if i == 0 && n > 1 {
			low = 1
		}
		b.WriteByte(byte('0' + low + r.IntN(10-low)))
	}
	v, _ := new(big.Int).SetString(b.String(), 10)
	return v
}

func sum(r *rand.Rand, digits int, op string, f func(z, x, y *big.Int) *big.Int) Problem {
	a, b := number(r, digits), number(r, digits)
	return calculation(a, op, b, f(new(big.Int), a, b))
}

// division divides without rest.
func division(r *rand.Rand, digits int) Problem {
	b, q := number(r, max(1, digits/2)), number(r, max(1, digits-digits/2))
	if b.Sign() == 0 {
		b.SetInt64(1)
	}
	return calculation(new(big.Int).Mul(b, q), "/", b, q)
}

func calculation(a *big.Int, op string, b, result *big.Int) Problem {
	text := fmt.Sprintf("%v%s%v", a, op, b)
	answer := result.String()
	return Problem{Question: fmt.Sprintf("What is %v %s %v?", a, op, b), Answer: answer,
		Solution: fmt.Sprintf("%s = <<%s=%s>>%s\n#### %s", text, text, answer, answer, answer)}
}

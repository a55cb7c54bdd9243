package arith

import (
	"math/big"
	"regexp"
	"strings"
	"testing"

	"quire/datasets/gsm8k"
)

var marks = regexp.MustCompile(`<<(-?\d+)([-+*/])(-?\d+)=(-?\d+)>>(-?\d+)`)

// TestExact computes every marked step again, and takes the last as the answer.
func TestExact(t *testing.T) {
	kinds := map[string]int{}
	n := 0
	for p := range Problems(Config{Seed: 1, Digits: 30}) {
		kinds[p.Kind]++
		last := ""
		for _, m := range marks.FindAllStringSubmatch(p.Solution, -1) {
			a, _ := new(big.Int).SetString(m[1], 10)
			b, _ := new(big.Int).SetString(m[3], 10)
			want := new(big.Int)
			switch m[2] {
			case "+":
				want.Add(a, b)
			case "-":
				want.Sub(a, b)
			case "*":
				want.Mul(a, b)
			case "/":
				rest := new(big.Int)
				want.QuoRem(a, b, rest)
				if rest.Sign() != 0 {
					t.Errorf("%s: %s leaves a rest", p.Question, m[0])
				}
			}
			if m[4] != want.String() || m[5] != m[4] {
				t.Errorf("%s: %s, want %v", p.Question, m[0], want)
			}
			last = m[4]
		}
		if got, ok := gsm8k.Answer(p.Solution); !ok || got != p.Answer || got != last {
			t.Errorf("%s: the grader takes %q, the answer is %q, the last step %q", p.Question, got, p.Answer, last)
		}
		if strings.Contains(p.Question+p.Solution, "%") || strings.HasPrefix(p.Kind, "word") && p.Answer[0] == '-' {
			t.Errorf("%s: %s", p.Question, p.Solution)
		}
		if n++; n == 5000 {
			break
		}
	}
	if len(kinds) != len(makers) {
		t.Errorf("kinds %v", kinds)
	}
}

// TestSplits draws with different seeds: no question of one split is in another; a seed repeats itself.
func TestSplits(t *testing.T) {
	seen := map[string]string{}
	for seed, split := range []string{"train", "valid", "test"} {
		n := 0
		var again []string
		for p := range Problems(Config{Seed: uint64(seed), Digits: 2, Split: split}) {
			if was := seen[p.Question]; was != "" && was != split {
				t.Fatalf("%q is in %s and in %s", p.Question, was, split)
			}
			seen[p.Question] = split
			again = append(again, p.Question+p.Solution)
			if n++; n == 2000 {
				break
			}
		}
		i := 0
		for p := range Problems(Config{Seed: uint64(seed), Digits: 2, Split: split}) {
			if p.Question+p.Solution != again[i] {
				t.Fatalf("problem %d of seed %d is another the second time", i, seed)
			}
			if i++; i == len(again) {
				break
			}
		}
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []Config{{Kinds: []string{"pow"}}, {Digits: -1}, {Split: "dev"}} {
		if c.Validate() == nil {
			t.Errorf("%+v is valid", c)
		}
	}
}

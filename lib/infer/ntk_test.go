package infer

import (
	"slices"
	"testing"

	"quire/lib/model"
	"quire/simd/dtype"
)

// TestDynamicNTK: a text that grows past the trained length has, at every length, the tokens that a pass over the whole text with that length's frequencies gives, alone and beside
// short texts, with guesses and with sessions.
func TestDynamicNTK(t *testing.T) {
	c := tinyConfig()
	c.MaxSeqLen, c.RopeScaling = 64, model.RopeScaling{Type: "dynamic", Factor: 4}
	m := tinyModel(t, c, dtype.F32, 3)
	for _, cfg := range []Config{{StepTokens: 64}, {Lookup: 4}, {Draft: m}} {
		e, err := New(m, nil, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if e.MaxLen() != 256 {
			t.Fatalf("texts of up to %d: want 256", e.MaxLen())
		}
		texts := together(t, e, []Request{{IDs: prompt(50, 1), MaxTokens: 150}, {IDs: prompt(5, 2), MaxTokens: 20}, {IDs: prompt(130, 3), MaxTokens: 10}}, nil)
		for i, n := range []int{50, 5, 130} {
			all := append(prompt(n, uint32(i+1)), texts[i].IDs()...)
			for k := n; k < len(all); k++ {
				length := 64
				for length < k {
					length *= 2
				}
				if k%11 != 0 && k != 64 && k != 65 && k != 128 && k != 129 {
					continue
				}
				one := m.Fork()
				one.SetMaxPositions(length)
				rows := dense(one, all[:k])
				if best, _ := summary(rows[k-1]); best != all[k] {
					t.Fatalf("text %d: token %d is %d, a pass of length %d says %d", i, k, all[k], length, best)
				}
			}
		}
		noLeak(t, e)
		e.Close()
	}
	s1, s2 := tinyEngineOf(t, m), tinyEngineOf(t, m)
	session, all := s1.Session(), []uint32(nil)
	for turn := range 4 {
		all = append(all, prompt(30, uint32(turn))...)
		want := complete(t, s2, Request{IDs: all, MaxTokens: 12})[0].IDs()
		var got []uint32
		for tok, err := range session.Generate(t.Context(), Request{IDs: prompt(30, uint32(turn)), MaxTokens: 12}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, tok.ID)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("turn %d: %v, in one piece %v", turn, got, want)
		}
		all = append(all, got...)
	}
}

func tinyEngineOf(t *testing.T, m *model.Model) *Engine {
	t.Helper()
	e, err := New(m, nil, Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

package train

import (
	"context"
	"math"
	"testing"
)

// must starts a run, waits for its end and returns it.
func must(t testing.TB, c Config) *Run {
	t.Helper()
	r, err := Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if err := r.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	return r
}

// A run on real text learns it, and says so in every way.
func TestLossFalls(t *testing.T) {
	c := tiny(t, 120)
	c.EvalEvery = 60
	r := must(t, c)
	h := r.History()
	if len(h) != 120 {
		t.Fatalf("%d records, want 120", len(h))
	}
	first, last := h[0], h[len(h)-1]
	if want := math.Log(512); math.Abs(first.Loss-want) > 0.2 {
		t.Errorf("the first loss is %.3f, of random weights want about %.3f", first.Loss, want)
	}
	if last.Loss > 3.9 {
		t.Errorf("the loss fell from %.3f to %.3f only", first.Loss, last.Loss)
	}
	t.Log(last)
	e := r.Evaluations()
	if len(e) != 2 || e[1].All.BitsPerByte >= e[0].All.BitsPerByte {
		t.Errorf("evaluations: %+v", e)
	}
	t.Logf("%+v", e[1])
}

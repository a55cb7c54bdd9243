package optim

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"quire/simd"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// The schedules at steps whose rate is known without a formula.
func TestSchedule(t *testing.T) {
	const lr, low = 1e-3, 1e-4
	for _, c := range []struct {
		name  string
		s     Schedule
		steps int
		want  map[int]float64
	}{
		{"cosine", Schedule{Cosine, lr, low, 100, 0}, 1100, map[int]float64{
			1: lr / 100, 50: lr / 2, 100: lr, 600: (lr + low) / 2, 1100: low, 5000: low, 350: low + (lr-low)*(1+math.Sqrt2/2)/2}},
		{"wsd", Schedule{WSD, lr, low, 10, 200}, 1000, map[int]float64{1: lr / 10, 10: lr, 500: lr, 800: lr, 900: (lr + low) / 2, 1000: low, 1001: low}},
		{"wsd longer than the run", Schedule{WSD, lr, 0, 10, 200}, 110, map[int]float64{10: lr, 60: lr / 2, 110: 0}},
		{"constant", Schedule{Constant, lr, 0, 4, 0}, 10, map[int]float64{1: lr / 4, 3: lr * 3 / 4, 4: lr, 10: lr}},
		{"no warm-up", Schedule{Cosine, lr, 0, 0, 0}, 2, map[int]float64{1: lr / 2, 2: 0}},
		{"warm-up longer than the run", Schedule{Cosine, lr, 0, 100, 0}, 10, map[int]float64{10: lr / 10}},
	} {
		if err := c.s.Validate(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		for step, want := range c.want {
			if got := c.s.At(step, c.steps); math.Abs(got-want) > 1e-12 {
				t.Errorf("%s: step %d: %v, want %v", c.name, step, got, want)
			}
		}
	}
}

func TestValidateNamesTheSetting(t *testing.T) {
	good := DefaultConfig()
	for want, err := range map[string]error{
		"schedule":          Schedule{Shape: "linear", LR: 1}.Validate(),
		"learning rate":     Schedule{Shape: Cosine, LR: math.NaN()}.Validate(),
		"min_lr":            Schedule{Shape: Cosine, LR: 1, MinLR: 2}.Validate(),
		"warmup_steps":      Schedule{Shape: Cosine, LR: 1, WarmupSteps: -1}.Validate(),
		"decay_steps":       Schedule{Shape: WSD, LR: 1}.Validate(),
		"method":            Config{Method: "sgd"}.Validate(),
		"beta2":             func() error { c := good; c.Beta2 = 1; return c.Validate() }(),
		"eps":               func() error { c := good; c.Eps = 0; return c.Validate() }(),
		"decay of the head": func() error { c := good; c.Decay.Head = math.NaN(); return c.Validate() }(),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error about %s, got %v", want, err)
		}
	}
}

func random(rng *rand.Rand, shape ...int) tensor.Tensor {
	t := tensor.New(dtype.F32, shape...)
	for i := range t.F32() {
		t.F32()[i] = float32(rng.NormFloat64())
	}
	return t
}

// AdamW against the formula in float64, with the decay of each kind.
func TestAdamW(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	c := DefaultConfig()
	c.Decay = Decay{Matrix: 0.1, Embedding: 0.2, Head: 0.3, Norm: 0.4, Bias: 0.5}
	for _, kind := range []Kind{Matrix, Embedding, Head, Norm, Bias} {
		w, g := random(rng, 5, 7), random(rng, 5, 7)
		want := make([]float64, 35)
		for i, x := range w.F32() {
			want[i] = float64(x)
		}
		m, v := make([]float64, 35), make([]float64, 35)
		o, err := New(simd.Default(), c, []Param{{Name: "w", Kind: kind, W: w, G: g}})
		if err != nil {
			t.Fatal(err)
		}
		for step := 1; step <= 20; step++ {
			for i := range g.F32() {
				g.F32()[i] = float32(rng.NormFloat64())
				grad := 0.5 * float64(g.F32()[i])
				m[i] = c.Beta1*m[i] + (1-c.Beta1)*grad
				v[i] = c.Beta2*v[i] + (1-c.Beta2)*grad*grad
				want[i] *= 1 - 1e-2*c.Decay.of(kind)
				want[i] -= 1e-2 * m[i] / (1 - math.Pow(c.Beta1, float64(step))) / (math.Sqrt(v[i]/(1-math.Pow(c.Beta2, float64(step)))) + c.Eps)
			}
			o.Step(1e-2, 0.5)
		}
		for i, x := range w.F32() {
			if math.Abs(float64(x)-want[i]) > 1e-5 {
				t.Fatalf("%s: element %d: %v, want %v", kind, i, x, want[i])
			}
		}
	}
}

// A step of Muon moves stacked matrices as it moves them apart, and by as much as AdamW does: about 0.2·LR in each element.
func TestMuonStepsStackedMatricesApart(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	c := DefaultConfig()
	c.Method = Muon
	c.Decay = Decay{Matrix: 0.1}
	w, g := random(rng, 96, 48), random(rng, 96, 48)
	apart := []int{64, 32}
	var params []Param
	for at, i := 0, 0; i < len(apart); i++ {
		wi, gi := tensor.New(dtype.F32, apart[i], 48), tensor.New(dtype.F32, apart[i], 48)
		copy(wi.F32(), w.F32()[at*48:])
		copy(gi.F32(), g.F32()[at*48:])
		params = append(params, Param{Name: "part", Kind: Matrix, W: wi, G: gi})
		at += apart[i]
	}
	before := w.Floats()
	const lr = 0.01
	for _, ps := range [][]Param{params, {{Name: "w", Kind: Matrix, W: w, G: g, Rows: apart}}} {
		o, err := New(simd.Default(), c, ps)
		if err != nil {
			t.Fatal(err)
		}
		o.Step(lr, 1)
	}
	joined := append(params[0].W.Floats(), params[1].W.Floats()...)
	var sum float64
	for i, x := range w.F32() {
		if x != joined[i] {
			t.Fatalf("element %d: %v stacked, %v apart", i, x, joined[i])
		}
		d := float64(x) - float64(before[i])*(1-lr*0.1)
		sum += d * d
	}
	if rms := math.Sqrt(sum / float64(w.Len())); rms < 0.1*lr || rms > 0.3*lr {
		t.Errorf("the step is %.4g in each element, want about %.4g", rms, 0.2*lr)
	}
}

func TestNorm(t *testing.T) {
	a, b := tensor.FromF32([]float32{3, 0}, 2), tensor.FromF32([]float32{0, 4, 12}, 3)
	w, w2 := tensor.New(dtype.F32, 2), tensor.New(dtype.F32, 3)
	o, err := New(simd.Default(), DefaultConfig(), []Param{{Name: "a", Kind: Norm, W: w, G: a}, {Name: "b", Kind: Bias, W: w2, G: b}})
	if err != nil {
		t.Fatal(err)
	}
	if n := o.Norm(); n != 13 {
		t.Errorf("norm %v, want 13", n)
	}
	b.F32()[1] = float32(math.NaN())
	if n := o.Norm(); !math.IsNaN(n) {
		t.Errorf("norm with a NaN is %v", n)
	}
	b.F32()[1] = float32(math.Inf(-1))
	if n := o.Norm(); !math.IsInf(n, 1) {
		t.Errorf("norm with an infinity is %v", n)
	}
}

// Moments and count are all that an optimiser remembers.
func TestRestoredOptimizerContinues(t *testing.T) {
	for _, method := range []Method{AdamW, Muon} {
		c := DefaultConfig()
		c.Method = method
		make3 := func() ([]Param, *Optimizer) {
			rng := rand.New(rand.NewPCG(5, 6))
			ps := []Param{{Name: "w", Kind: Matrix, W: random(rng, 32, 16), G: random(rng, 32, 16)}, {Name: "n", Kind: Norm, W: random(rng, 16), G: random(rng, 16)}}
			o, err := New(simd.Default(), c, ps)
			if err != nil {
				t.Fatal(err)
			}
			return ps, o
		}
		ps, o := make3()
		for range 3 {
			o.Step(1e-3, 1)
		}
		qs, q := make3()
		for i := range qs {
			copy(qs[i].W.F32(), ps[i].W.F32())
		}
		saved := map[string][]float32{}
		o.Moments(func(name string, m tensor.Tensor) { saved[name] = m.Floats() })
		q.Moments(func(name string, m tensor.Tensor) { copy(m.F32(), saved[name]) })
		q.SetCount(o.Count())
		o.Step(1e-3, 1)
		q.Step(1e-3, 1)
		for i := range ps {
			for j, x := range ps[i].W.F32() {
				if qs[i].W.F32()[j] != x {
					t.Fatalf("%s: %s[%d] is %v restored and %v uninterrupted", method, ps[i].Name, j, qs[i].W.F32()[j], x)
				}
			}
		}
	}
}

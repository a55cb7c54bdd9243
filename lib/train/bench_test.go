package train

import (
	"testing"

	"quire/lib/model"
)

// BenchmarkStep is the loop around the trainer: a step of Depth(4) with everything that is recorded, as tokens a second, as a share of the measured
// peak, and what a checkpoint of it keeps the loop waiting.
func BenchmarkStep(b *testing.B) {
	c := tiny(b, 1)
	c.Model = model.Depth(4)
	c.Model.VocabSize, c.SeqLen, c.Rows, c.MicroRows, c.Shuffle = 4096, 256, 16, 16, 16
	c.Dir += "-depth4"
	c, err := c.place()
	if err != nil {
		b.Fatal(err)
	}
	r, err := open(c)
	if err != nil {
		b.Fatal(err)
	}
	defer r.loop.Close()
	var tokens, seconds, wait, mfu float64
	steps := 0
	for b.Loop() {
		rec, err := r.loop.step()
		if err != nil {
			b.Fatal(err)
		}
		if err := r.tell(rec); err != nil {
			b.Fatal(err)
		}
		tokens, seconds, mfu = tokens+float64(rec.Rows*c.SeqLen), seconds+rec.Seconds, mfu+rec.MFU
		wait = max(wait, rec.SaveWait)
		if steps++; steps%10 == 0 {
			if err := r.loop.save(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(tokens/seconds, "tok/s")
	b.ReportMetric(100*mfu/float64(steps), "%peak")
	b.ReportMetric(1000*wait, "ms-save-wait")
}

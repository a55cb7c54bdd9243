package sample

import (
	"math"
	"slices"
)

// process applies stages 1 to 4; the result is logits itself where there is nothing to do.
func (s *Sampler) process(w *workspace, logits []float32, history []uint32) []float32 {
	return s.ban(w, s.adjust(w, logits, history), history)
}

// adjust applies stages 1 to 3.
func (s *Sampler) adjust(w *workspace, logits []float32, history []uint32) []float32 {
	l := logits
	if len(s.bias) > 0 {
		l = w.own(l)
		for _, b := range s.bias {
			l[b.ID] += b.LogProb
		}
	}
	if p := s.p.RepetitionPenalty; p != 0 && p != 1 {
		l = w.own(l)
		w.repetition(l, history, p)
	}
	if s.p.FrequencyPenalty != 0 || s.p.PresencePenalty != 0 {
		l = w.own(l)
		w.frequency(l, history[min(s.p.PromptTokens, len(history)):], s.p.FrequencyPenalty, s.p.PresencePenalty)
	}
	return l
}

// own returns l as the workspace's copy.
func (w *workspace) own(l []float32) []float32 {
	if len(w.logits) == len(l) && &w.logits[0] == &l[0] {
		return l
	}
	w.logits = append(w.logits[:0], l...)
	if len(w.counts) < len(l) {
		w.counts = make([]uint32, len(l))
	}
	return w.logits
}

func (w *workspace) repetition(l []float32, history []uint32, p float32) {
	for _, id := range history {
		if int(id) >= len(l) || w.counts[id] > 0 {
			continue
		}
		w.counts[id] = 1
		if l[id] < 0 {
			l[id] *= p
		} else {
			l[id] /= p
		}
	}
	w.forget(history)
}

func (w *workspace) frequency(l []float32, generated []uint32, frequency, presence float32) {
	for _, id := range generated {
		if int(id) < len(l) {
			w.counts[id]++
		}
	}
	for _, id := range generated {
		if int(id) < len(l) && w.counts[id] > 0 {
			l[id] -= float32(float32(w.counts[id])*frequency) + presence
			w.counts[id] = 0
		}
	}
}

func (w *workspace) forget(history []uint32) {
	for _, id := range history {
		if int(id) < len(w.counts) {
			w.counts[id] = 0
		}
	}
}

var never = float32(math.Inf(-1))

// ban applies stage 4.
func (s *Sampler) ban(w *workspace, logits []float32, history []uint32) []float32 {
	l := logits
	if len(s.p.Banned) > 0 {
		l = w.own(l)
		for _, id := range s.p.Banned {
			l[id] = never
		}
	}
	if len(s.p.StopIDs) > 0 && len(history)-s.p.PromptTokens < s.p.MinTokens {
		l = w.own(l)
		for _, id := range s.p.StopIDs {
			l[id] = never
		}
	}
	if n := s.p.NoRepeatNGram; n > 0 && len(history) >= n {
		l = w.own(l)
		suffix := history[len(history)-n+1:]
		for i, id := range history[n-1:] {
			if int(id) < len(l) && slices.Equal(history[i:i+n-1], suffix) {
				l[id] = never
			}
		}
	}
	return l
}

// Repeats reports whether the last size ids of a history occur in it threshold times or more: LMDeploy's
// repetition_ngram_size and _threshold, at which an engine ends a text that goes in circles. Occurrences may overlap.
func Repeats(history []uint32, size, threshold int) bool {
	if size <= 0 || threshold <= 0 || len(history) < size {
		return false
	}
	last, n := history[len(history)-size:], 0
	for i := 0; i+size <= len(history) && n < threshold; i++ {
		if slices.Equal(history[i:i+size], last) {
			n++
		}
	}
	return n >= threshold
}

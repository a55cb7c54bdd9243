package mix

import "slices"

// waitingDocs is how many documents best-fit packing chooses among: nanochat's buffer. More fill rows better and cost state.
const waitingDocs = 1000

// plan returns the pieces of the next row; nil at the end.
func (s *Stream) plan() []Span {
	if s.ended {
		return nil
	}
	var spans []Span
	if s.cfg.Packing == Concat {
		spans = s.planConcat()
	} else {
		spans = s.planBestFit()
	}
	size := s.cfg.SeqLen + 1
	if len(spans) == 0 || spans[len(spans)-1].End < size {
		s.ended = true
		if !s.cfg.KeepLast || len(spans) == 0 {
			return nil
		}
	}
	return spans
}

// place appends n tokens of p, from p.from on, to a row.
func (s *Stream) place(spans []Span, p piece, n int64) []Span {
	start := 0
	if len(spans) > 0 {
		start = spans[len(spans)-1].End
	}
	shard, doc := s.sources[p.source].locate(p.doc)
	return append(spans, Span{Source: p.source, Shard: shard, Doc: doc, From: p.from, Start: start, End: start + int(n)})
}

// planConcat cuts rows out of the documents laid end to end. What waits is the document that the row ends in.
func (s *Stream) planConcat() (spans []Span) {
	for left := int64(s.cfg.SeqLen + 1); left > 0; {
		if len(s.waiting) == 0 {
			p, ok := s.draw()
			if !ok {
				break
			}
			s.waiting = append(s.waiting, p)
		}
		p := &s.waiting[0]
		n := min(left, p.size-p.from)
		spans = s.place(spans, *p, n)
		p.from += n
		if left -= n; left == 0 {
			p.from-- // the row's last token has been a target only: it is the next row's first input
		} else {
			s.waiting = s.waiting[:0]
		}
	}
	if len(spans) == 1 && spans[0].End == 1 { // only the token that was a target before
		return nil
	}
	return spans
}

// planBestFit fills a row with the largest waiting pieces that fit, and its last gap with the beginning of one that does not. What waits
// is in the order in which it was drawn.
func (s *Stream) planBestFit() (spans []Span) {
	for left := int64(s.cfg.SeqLen + 1); left > 0; {
		for len(s.waiting) < waitingDocs {
			p, ok := s.draw()
			if !ok {
				break
			}
			s.waiting = append(s.waiting, p)
		}
		if len(s.waiting) == 0 {
			break
		}
		i := s.choose(left)
		p := &s.waiting[i]
		n := min(left, s.length(*p))
		spans = s.place(spans, *p, n)
		left -= n
		if n < s.length(*p) && s.cfg.Packing == BestFit {
			s.cut(p, n)
			continue
		}
		s.dropped += s.length(*p) - n
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
	return spans
}

// length returns the tokens that a piece takes in a row: best-fit packing puts BOS before the rest of a document.
func (s *Stream) length(p piece) int64 {
	if p.from > 0 {
		return int64(len(s.cfg.BOS)) + p.size - p.from
	}
	return p.size
}

// cut leaves of p what is behind its first n tokens. Where no more than BOS has been placed, it stays whole.
func (s *Stream) cut(p *piece, n int64) {
	if bos := int64(len(s.cfg.BOS)); n > bos {
		if p.from > 0 {
			n -= bos
		}
		p.from += n
	}
}

// choose returns the largest waiting piece that fits into left tokens. If none does, it returns the one to cut: the one that has waited
// longest, so that long documents come in the order of the permutation and not by their length, or, where the rest is dropped, the
// shortest, which loses least.
func (s *Stream) choose(left int64) int {
	fit, cut := -1, 0
	var fitSize int64
	cutSize := s.length(s.waiting[0])
	for i, p := range s.waiting {
		n := s.length(p)
		if n <= left && n > fitSize {
			fit, fitSize = i, n
		}
		if s.cfg.Packing == BestFitCrop && n < cutSize {
			cut, cutSize = i, n
		}
	}
	if fit >= 0 {
		return fit
	}
	return cut
}

// fill reads a row's tokens.
func (s *Stream) fill(spans []Span) Row {
	row := Row{IDs: make([]uint32, s.cfg.SeqLen+1), Spans: spans}
	for _, p := range spans {
		dst, from := row.IDs[p.Start:p.End], p.From
		if s.cfg.Packing != Concat && from > 0 {
			dst = dst[copy(dst, s.cfg.BOS):]
		}
		sh := s.cfg.Sources[p.Source].Shards[p.Shard]
		start, end := sh.Doc(p.Doc)
		bos := int64(len(s.cfg.BOS))
		if from < bos {
			n := copy(dst, s.cfg.BOS[from:])
			dst, from = dst[n:], from+int64(n)
		}
		if n := min(int64(len(dst)), bos+end-start-from); n > 0 {
			sh.Read(dst[:n], start+from-bos)
			dst, from = dst[n:], from+n
		}
		if len(dst) > 0 {
			copy(dst, s.cfg.EOS[from-bos-(end-start):])
		}
	}
	return row
}

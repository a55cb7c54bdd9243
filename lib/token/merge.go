package token

// smallWord is the number of symbols up to which scanning all pairs beats a heap (BenchmarkMerge).
const smallWord = 40

// mergeScratch is the memory of one merge: a heap and a linked list of symbols. After merging, ids holds the result and
// at the offset where each begins.
type mergeScratch struct {
	ids        []uint32
	at         []int32
	best       []uint64 // of the pair that begins here: rank<<32 | merged
	prev, next []int32
	heap       []uint64
	halves     map[uint32]half // set: notes every candidate, for splitUnused
}

// small merges by scanning: quadratic, but all in the first-level cache.
func (g *mergeScratch) small(p *pairTable) {
	n := len(g.ids)
	g.best = g.best[:0]
	for i := range n - 1 {
		g.best = append(g.best, p.find(g.ids[i], g.ids[i+1]))
	}
	ids, at, best := g.ids, g.at, g.best
	for len(best) > 0 {
		k, low := -1, uint64(noPair>>32)
		for i, b := range best {
			if b>>32 < low {
				k, low = i, b>>32
			}
		}
		if k < 0 {
			break
		}
		ids[k] = uint32(best[k])
		copy(ids[k+1:], ids[k+2:])
		copy(at[k+1:], at[k+2:])
		copy(best[k:], best[k+1:])
		ids, at, best = ids[:len(ids)-1], at[:len(at)-1], best[:len(best)-1]
		if k > 0 {
			best[k-1] = p.find(ids[k-1], ids[k])
		}
		if k < len(best) {
			best[k] = p.find(ids[k], ids[k+1])
		}
	}
	g.ids, g.at = ids, at
}

// large merges with a heap of candidates: n·log n.
func (g *mergeScratch) large(p *pairTable) {
	n := len(g.ids)
	g.best, g.prev, g.next, g.heap = g.best[:0], g.prev[:0], g.next[:0], g.heap[:0]
	for i := range n {
		g.best = append(g.best, noPair)
		g.prev, g.next = append(g.prev, int32(i-1)), append(g.next, int32(i+1))
	}
	for i := range n - 1 {
		g.offer(p, i, i+1)
	}
	for len(g.heap) > 0 {
		top := g.heap[0]
		last := len(g.heap) - 1
		g.heap[0] = g.heap[last]
		g.heap = g.heap[:last]
		g.down(0)
		i := int(uint32(top))
		if g.best[i] != noPair && g.best[i]>>32 == top>>32 {
			g.join(p, i, n)
		}
	}
	k := 0
	for i := 0; i < n; i = int(g.next[i]) {
		g.ids[k], g.at[k] = g.ids[i], g.at[i]
		k++
	}
	g.ids, g.at = g.ids[:k], g.at[:k]
}

// join merges symbol i with the one after it.
func (g *mergeScratch) join(p *pairTable, i, n int) {
	right := int(g.next[i])
	g.ids[i] = uint32(g.best[i])
	g.next[i] = g.next[right]
	g.best[right] = noPair
	g.best[i] = noPair
	if k := int(g.prev[i]); k >= 0 {
		g.offer(p, k, i)
	}
	if k := int(g.next[i]); k < n {
		g.prev[k] = int32(i)
		g.offer(p, i, k)
	}
}

func (g *mergeScratch) offer(p *pairTable, i, right int) {
	b := p.find(g.ids[i], g.ids[right])
	g.best[i] = b
	if b != noPair {
		if g.halves != nil {
			g.halves[uint32(b)] = half{g.ids[i], g.ids[right], g.at[right] - g.at[i]}
		}
		g.heap = append(g.heap, b>>32<<32|uint64(i))
		g.up(len(g.heap) - 1)
	}
}

func (g *mergeScratch) up(i int) {
	h := g.heap
	for i > 0 && h[i] < h[(i-1)/2] {
		h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
		i = (i - 1) / 2
	}
}

func (g *mergeScratch) down(i int) {
	h := g.heap
	for {
		c := 2*i + 1
		if c >= len(h) {
			return
		}
		if c+1 < len(h) && h[c+1] < h[c] {
			c++
		}
		if h[i] <= h[c] {
			return
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
}

// half is how an unused piece was last put together.
type half struct {
	left, right uint32
	width       int32 // bytes of left
}

// splitUnused replaces unused pieces by what they were merged from, as SentencePiece does.
func (g *mergeScratch) splitUnused(unused map[uint32]bool) {
	ids, at := []uint32(nil), []int32(nil)
	var put func(id uint32, from int32)
	put = func(id uint32, from int32) {
		if h, ok := g.halves[id]; ok && unused[id] {
			put(h.left, from)
			put(h.right, from+h.width)
			return
		}
		ids, at = append(ids, id), append(at, from)
	}
	for i, id := range g.ids {
		put(id, g.at[i])
	}
	g.ids, g.at = append(g.ids[:0], ids...), append(g.at[:0], at...)
}

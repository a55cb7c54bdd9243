package infer

import "slices"

// BlockTokens is how many tokens share a page of the key-value cache: what is shared, cached and evicted together.
const BlockTokens = 64

// sequence is a text with the pages that hold its keys and values.
type sequence struct {
	ids   []uint32
	done  int     // how many of ids have their keys and values in pages
	pages []int32 // cover at least done
	full  int     // blocks that the prefix cache knows
	last  *node   // the last of them; nil: none
	rope  int     // the length whose frequencies its keys are rotated by, or 0: see runner.ropeFor
}

// attach takes what the prefix cache has of the first limit tokens. The sequence has no pages yet.
func (s *sequence) attach(p *pages, limit int) {
	if p.trie.off {
		return
	}
	at := p.trie.root(s.rope)
	for s.done+BlockTokens <= limit {
		next := at.child(s.ids[s.done : s.done+BlockTokens])
		if next == nil {
			break
		}
		p.retain(next.page)
		s.pages = append(s.pages, next.page)
		s.done += BlockTokens
		s.full++
		at = next
	}
	s.last = at
}

// missing is how many new pages reserve needs for n more tokens.
func (s *sequence) missing(p *pages, n int) int {
	m := max(0, blocks(s.done+n)-len(s.pages))
	if s.sharesTail(p) {
		m++
	}
	return m
}

// sharesTail reports whether the page that the next token goes to is shared with a fork and must be copied before it is written.
func (s *sequence) sharesTail(p *pages) bool {
	b := s.done / BlockTokens
	return b < len(s.pages) && p.refs[s.pages[b]] > 1
}

// reserve makes room for n more tokens, copying the page they begin in if a fork shares it. The caller has seen that so many pages are available.
func (s *sequence) reserve(p *pages, n int, copyPage func(dst, src int32)) {
	if s.sharesTail(p) {
		b := s.done / BlockTokens
		page, _ := p.alloc()
		copyPage(page, s.pages[b])
		p.release(s.pages[b])
		s.pages[b] = page
	}
	for len(s.pages) < blocks(s.done+n) {
		page, _ := p.alloc()
		s.pages = append(s.pages, page)
	}
}

// advance says that n more tokens are computed, and tells the prefix cache about blocks that became full.
func (s *sequence) advance(p *pages, n int) {
	s.done += n
	if p.trie.off {
		return
	}
	if s.last == nil {
		s.last = p.trie.root(s.rope)
	}
	for (s.full+1)*BlockTokens <= s.done {
		lo := s.full * BlockTokens
		s.last, s.pages[s.full] = p.publish(s.last, s.pages[s.full], s.ids[lo:lo+BlockTokens])
		s.full++
	}
}

// share gives s, which has none, the pages of a sequence that its ids begin like.
func (s *sequence) share(p *pages, from *sequence) {
	s.pages, s.done, s.full, s.last, s.rope = slices.Clone(from.pages), from.done, from.full, from.last, from.rope
	for _, page := range s.pages {
		p.retain(page)
	}
}

// fork returns a copy that shares all pages.
func (s *sequence) fork(p *pages) *sequence {
	f := &sequence{ids: slices.Clone(s.ids)}
	f.share(p, s)
	return f
}

// drop gives all pages back, the last first. The ids stay: the sequence can be computed again.
func (s *sequence) drop(p *pages) {
	for _, page := range slices.Backward(s.pages) {
		p.release(page)
	}
	s.pages, s.done, s.full, s.last = nil, 0, 0, nil
}

// slots lists the cache places of n tokens from position at on.
func (s *sequence) slots(dst []int32, at, n int) []int32 {
	for i := at; i < at+n; i++ {
		dst = append(dst, s.pages[i/BlockTokens]*BlockTokens+int32(i%BlockTokens))
	}
	return dst
}

// blocks is how many pages hold n tokens.
func blocks(n int) int { return (n + BlockTokens - 1) / BlockTokens }

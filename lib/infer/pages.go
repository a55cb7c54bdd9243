package infer

import "slices"

// pages owns the pages of the key-value caches: page p of every layer's cache belongs together and holds the same BlockTokens tokens. A page in use by n sequences has n references;
// one without references is free, or kept by the prefix cache until somebody needs the room.
type pages struct {
	refs []int32
	node []*node // the prefix cache's entry for a page, or nil
	free []int32
	trie trie
}

func newPages(n int, cache bool) *pages {
	p := &pages{refs: make([]int32, n), node: make([]*node, n), free: make([]int32, n), trie: trie{off: !cache}}
	for i := range p.free {
		p.free[i] = int32(n - 1 - i)
	}
	p.trie.lru.init()
	return p
}

// available is how many pages alloc can still give.
func (p *pages) available() int { return len(p.free) + p.trie.lru.n }

// alloc returns a page with one reference. The least recently used cached page makes room where none is free.
func (p *pages) alloc() (page int32, ok bool) {
	if len(p.free) == 0 {
		victim := p.trie.lru.oldest()
		if victim == nil {
			return 0, false
		}
		p.trie.remove(victim)
		p.node[victim.page] = nil
		p.free = append(p.free, victim.page)
	}
	page = p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	p.refs[page] = 1
	return page, true
}

// retain adds a reference to a page that is in use or cached.
func (p *pages) retain(page int32) {
	if p.refs[page] == 0 {
		p.trie.lru.drop(p.node[page])
	}
	p.refs[page]++
}

// release takes a reference back.
func (p *pages) release(page int32) {
	p.refs[page]--
	switch {
	case p.refs[page] > 0:
	case p.node[page] != nil:
		p.trie.lru.add(p.node[page])
	default:
		p.free = append(p.free, page)
	}
}

// publish offers a full page of a sequence, whose tokens before it end at parent, to the prefix cache. The page returned is the one to use from now on: an equal page of another sequence
// takes the place of this one, whose reference is released.
func (p *pages) publish(parent *node, page int32, tokens []uint32) (*node, int32) {
	if p.trie.off {
		return parent, page
	}
	if n := parent.child(tokens); n != nil {
		if n.page != page {
			p.retain(n.page)
			p.release(page)
		}
		return n, n.page
	}
	n := parent.insert(tokens, page)
	p.node[page] = n
	return n, page
}

// forget empties the prefix cache: the weights have changed.
func (p *pages) forget() {
	for n := p.trie.lru.oldest(); n != nil; n = p.trie.lru.oldest() {
		p.trie.lru.drop(n)
		p.free = append(p.free, n.page)
	}
	p.trie.roots = nil
	clear(p.node)
}

// node is a cached block of tokens; its path from the root is all that comes before. A child is never kept without its parent: a sequence that holds a page holds all before it, and
// releases the last one first, so that the oldest page of the LRU list is always a leaf.
type node struct {
	parent     *node
	tokens     []uint32
	page       int32
	children   map[uint64][]*node // by hash of their tokens
	prev, next *node              // LRU list, while nobody holds the page
}

// trie is the prefix cache. Roots differ by what else the keys and values depend on: the frequencies of the rotary embedding.
type trie struct {
	off   bool
	roots map[int]*node
	lru   lru
}

func (t *trie) root(rope int) *node {
	r := t.roots[rope]
	if r == nil {
		if t.roots == nil {
			t.roots = map[int]*node{}
		}
		r = &node{}
		t.roots[rope] = r
	}
	return r
}

// child finds the block with these tokens.
func (n *node) child(tokens []uint32) *node {
	for _, c := range n.children[hashIDs(tokens)] {
		if slices.Equal(c.tokens, tokens) {
			return c
		}
	}
	return nil
}

func (n *node) insert(tokens []uint32, page int32) *node {
	if n.children == nil {
		n.children = map[uint64][]*node{}
	}
	c := &node{parent: n, tokens: slices.Clone(tokens), page: page}
	h := hashIDs(tokens)
	n.children[h] = append(n.children[h], c)
	return c
}

// remove takes a leaf out.
func (t *trie) remove(n *node) {
	t.lru.drop(n)
	h := hashIDs(n.tokens)
	left := slices.DeleteFunc(n.parent.children[h], func(c *node) bool { return c == n })
	if len(left) == 0 {
		delete(n.parent.children, h)
	} else {
		n.parent.children[h] = left
	}
}

// hashIDs is FNV-1a over whole ids.
func hashIDs(ids []uint32) uint64 {
	h := uint64(14695981039346656037)
	for _, id := range ids {
		h = (h ^ uint64(id)) * 1099511628211
		h ^= h >> 29
	}
	return h
}

// lru is a list of nodes in the order in which their pages were released.
type lru struct {
	ends node // next is the oldest, prev the newest
	n    int
}

func (l *lru) init() { l.ends.prev, l.ends.next = &l.ends, &l.ends }

func (l *lru) add(n *node) {
	n.prev, n.next = l.ends.prev, &l.ends
	n.prev.next, n.next.prev = n, n
	l.n++
}

func (l *lru) drop(n *node) {
	n.prev.next, n.next.prev = n.next, n.prev
	n.prev, n.next = nil, nil
	l.n--
}

func (l *lru) oldest() *node {
	if l.n == 0 {
		return nil
	}
	return l.ends.next
}

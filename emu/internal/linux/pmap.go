package linux

import (
	"cmp"
	"crypto/sha256"
	"iter"
)

// pmap is an ordered map that never changes: to put something in makes another map, which
// shares with the first nearly all there is. So a state that has one is copied by copying a
// pointer, however much is in it. It is a treap whose priorities follow from the keys
// (Aragon and Seidel, Randomized Search Trees, 1989), so that its shape follows from what
// is in it and not from how that came there.
type pmap[K cmp.Ordered, V any] struct {
	root *pnode[K, V]
	n    int // so many keys
}

type pnode[K cmp.Ordered, V any] struct {
	key         K
	rank        uint64
	value       V
	left, right *pnode[K, V]
}

// rank is a key's priority. A guest that chose its names for a deep tree would have to find
// collisions of SHA-256.
func rank[K cmp.Ordered](key K) uint64 {
	switch k := any(key).(type) {
	case string:
		sum := sha256.Sum256([]byte(k))
		return le.Uint64(sum[:])
	case uint64:
		return rank(int64(k))
	case int64:
		// The mixer of SplitMix64 (Steele, Lea and Flood, 2014); page numbers are no secret.
		z := uint64(k) + 0x9e3779b97f4a7c15
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		return z ^ z>>31
	}
	return 0
}

func (a *pnode[K, V]) above(rank uint64, key K) bool {
	return a.rank > rank || a.rank == rank && a.key < key
}

func (m pmap[K, V]) get(key K) (v V, ok bool) {
	for n := m.root; n != nil; {
		switch {
		case key < n.key:
			n = n.left
		case n.key < key:
			n = n.right
		default:
			return n.value, true
		}
	}
	return v, false
}

// with is the map with a key's value put in.
func (m pmap[K, V]) with(key K, value V) pmap[K, V] {
	if _, there := m.get(key); !there {
		m.n++
	}
	m.root = put(m.root, &pnode[K, V]{key: key, rank: rank(key), value: value})
	return m
}

func put[K cmp.Ordered, V any](n, add *pnode[K, V]) *pnode[K, V] {
	if n == nil {
		return add
	}
	if n.key == add.key {
		add.left, add.right = n.left, n.right
		return add
	}
	if !n.above(add.rank, add.key) { // so the key is not below
		add.left, add.right = split(n, add.key)
		return add
	}
	c := *n
	if add.key < n.key {
		c.left = put(n.left, add)
	} else {
		c.right = put(n.right, add)
	}
	return &c
}

// split parts a tree at a key that is not in it.
func split[K cmp.Ordered, V any](n *pnode[K, V], key K) (left, right *pnode[K, V]) {
	if n == nil {
		return nil, nil
	}
	c := *n
	if n.key < key {
		c.right, right = split(n.right, key)
		return &c, right
	}
	left, c.left = split(n.left, key)
	return left, &c
}

// without is the map without a key.
func (m pmap[K, V]) without(key K) pmap[K, V] {
	if _, there := m.get(key); !there {
		return m
	}
	m.n--
	m.root = drop(m.root, key)
	return m
}

func drop[K cmp.Ordered, V any](n *pnode[K, V], key K) *pnode[K, V] {
	c := *n
	switch {
	case key < n.key:
		c.left = drop(n.left, key)
	case n.key < key:
		c.right = drop(n.right, key)
	default:
		return merge(n.left, n.right)
	}
	return &c
}

// merge joins two trees, all of whose keys are in order.
func merge[K cmp.Ordered, V any](a, b *pnode[K, V]) *pnode[K, V] {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.above(b.rank, b.key):
		c := *a
		c.right = merge(a.right, b)
		return &c
	}
	c := *b
	c.left = merge(a, b.left)
	return &c
}

// from goes through the map in order, beginning with the first key that is not below least.
func (m pmap[K, V]) from(least K) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) { m.root.walk(least, yield) }
}

func (n *pnode[K, V]) walk(least K, yield func(K, V) bool) bool {
	if n == nil {
		return true
	}
	if n.key < least {
		return n.right.walk(least, yield)
	}
	return n.left.walk(least, yield) && yield(n.key, n.value) && n.right.walk(least, yield)
}

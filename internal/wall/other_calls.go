//go:build !amd64 && !arm64

package wall

// hostArch is none: calls have other numbers here, and nobody has looked at them.
const hostArch = 0

var only []uint32

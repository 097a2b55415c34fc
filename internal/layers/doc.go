// Package layers holds the packages of emurace to the order in which they may import each
// other, which docs/ARCHITECTURE.md draws. All of it is a test.
package layers

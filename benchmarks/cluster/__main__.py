from benchmarks.cluster.compare import main

main()

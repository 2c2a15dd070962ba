"""Predict a folder of videos with trained models: python scripts/predict_new_vids.py KEY=VALUE...

  eval.hydra_paths=["DATE/TIME", ...]     run directories; relative ones lie in outputs/
  eval.test_videos_directory=FOLDER       the videos
  eval.saved_vid_preds_dir=FOLDER         of the results; the folder of the videos if not given
  eval.save_vids_after_training=true      draw the keypoints into copies of the videos
  eval.confidence_thresh_for_vid, eval.colormap, dali...predict.sequence_length: as in training

Results of several models go to a folder for each. `litpose predict` does the same and more.
"""

import sys

from lightning_pose.cli.predict.predict_keys import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
